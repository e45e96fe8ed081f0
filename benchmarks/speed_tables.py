"""Tables of seconds per point: everyone beside the user's loop, and what compiling gains for each normalization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import digits, table
from benchmarks.pictures import SHORT
from benchmarks.workers import CONTENDERS

Content = Mapping[str, Any]
# The ways that are compared on each normalization.
NORMS = {
    "user": "user's loop",
    "eager": "eager",
    "fp32": "fp32",
    "compiled": "fp32, compiled",
    "bf16": "bf16",
    "compiled-bf16": "bf16, compiled",
}


def speed_table(content: Content) -> list[str]:
    """Milliseconds per point, by the user's loop; differences and errors; set-up; notes."""
    models: Content = content["results"]
    names = [name for name in CONTENDERS if any(name in model["contenders"] for model in models.values())]
    head = ["ms per point (times the user's loop)", *(SHORT[name] for name in models)]
    speed = [[CONTENDERS[name].words, *(_speed(model, name) for model in models.values())] for name in names]
    apart = [[CONTENDERS[name].words, *(_apart(model, name) for model in models.values())] for name in names]
    errors = [
        [CONTENDERS[name].words, *(_error(model, name) for model in models.values())]
        for name in names
        if any("largest_error" in model["contenders"].get(name, {}) for model in models.values())
    ]
    setup = [[CONTENDERS[name].words, *(_setup(model, name) for model in models.values())] for name in names]
    described = [
        f"- {SHORT[name]}: {model['about']}; {model['images']:,} images, {model['points']} points a round."
        for name, model in models.items()
    ]
    settings = content["settings"]
    return [
        f"Medians over {settings['rounds']} interleaved rounds; in parentheses the ratio of medians, and of minima.",
        "",
        *table(head, speed),
        "",
        "Largest relative difference of a loss from ours in fp32 at the same weights:",
        "",
        *table(["", *head[1:]], apart),
        "",
        "Largest relative error of a loss on the grid, against the same network in float64:",
        "",
        *table(["", *head[1:]], errors),
        "",
        "Seconds before the first point and after the last, the first point's warming up included:",
        "",
        *table(["", *head[1:]], setup),
        "",
        *described,
        *_reasons(models),
        *_grouped(models, "variant", "the quickest in a trial"),
        *_grouped(models, "ran", "what ran"),
    ]


def _speed(model: Content, name: str) -> str:
    row = model["contenders"].get(name)
    if row is None or "reason" in row:
        return "-" if row is None else "no number"
    user = model["contenders"].get("user", {})
    if "median" not in user or name == "user":
        return digits(1e3 * row["median"])
    ratios = user["median"] / row["median"], user["minimum"] / row["minimum"]
    cell = f"{digits(1e3 * row['median'])} ({ratios[0]:.2f}, {ratios[1]:.2f})"
    return f"**{cell}**" if CONTENDERS[name].ours else cell


def _apart(model: Content, name: str) -> str:
    row = model["contenders"].get(name, {})
    largest = row.get("largest_relative_difference")
    lost = row.get("not_finite_along_its_own_directions") or row.get("not_finite")
    own = f" ({lost} of {row['checked_points']} not finite on its own)" if lost else ""
    return f"{largest:.1e}{own}" if largest is not None else "-"


def _error(model: Content, name: str) -> str:
    largest = model["contenders"].get(name, {}).get("largest_error")
    return "-" if largest is None else f"{largest:.1e}"


def _setup(model: Content, name: str) -> str:
    row = model["contenders"].get(name, {})
    return f"{row['setup']:.2g}" if "setup" in row else "-"


def _reasons(models: Content) -> list[str]:
    """Why there is no number."""
    return [
        f"- {CONTENDERS[name].words} has no number on {SHORT[model]}: {row['reason']}."
        for model, rows in models.items()
        for name, row in rows["contenders"].items()
        if "reason" in row
    ]


def _grouped(models: Content, key: str, words: str) -> list[str]:
    """A line for each contender: what it says under a key, and on which networks."""
    found: dict[str, dict[str, list[str]]] = {}
    for model, rows in models.items():
        for name, row in rows["contenders"].items():
            if row.get(key) and (key != "ran" or CONTENDERS[name].ours):
                found.setdefault(name, {}).setdefault(row[key], []).append(SHORT[model])
    return [
        f"- {CONTENDERS[name].words}, {words}: "
        + "; ".join(f"{text} ({', '.join(on)})" for text, on in said.items())
        + "."
        for name, said in found.items()
    ]


def norms_table(content: Content) -> list[str]:
    """Milliseconds per point by normalization, and what compiling gains over the quickest other way."""
    rows = []
    for name, model in content["results"].items():
        found = model["contenders"]
        speed = [_speed(model, one).strip("*") for one in NORMS]
        gains = [_gain(found, "compiled", "fp32"), _gain(found, "compiled-bf16", "bf16")]
        ran = found["fp32"].get("ran", "-").removesuffix(" fp32")
        errors = max(found[one].get("largest_error") or 0.0 for one in ("fp32", "compiled"))
        rows.append(["ViT" if name == "vit" else f"ResNet-20, {name}", *speed, ran, *gains, f"{errors:.0e}"])
    head = ["", *NORMS.values(), "fp32 ran", "gain in fp32", "gain in bf16", "error in fp32"]
    images = next(iter(content["results"].values()))["images"]
    said = (
        f"ms per point on {images:,} images, and in parentheses times the user's loop (medians over "
        f"{content['settings']['rounds']} interleaved rounds, and minima); gain: how many times as quick compiling is."
    )
    return [said, "", *table(head, rows)]


def _gain(rows: Content, name: str, other: str) -> str:
    if not all("median" in rows.get(one, {}) for one in (name, other)):
        return "-"
    return f"{rows[other]['median'] / rows[name]['median']:.2f}"
