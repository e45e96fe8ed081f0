"""Tables of what full surfaces cost, and of several points in one forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import digits, table

Content = Mapping[str, Any]
H200 = 4.8e12  # bytes per second, by its data sheet


def full_surface_table(content: Content) -> list[str]:
    """Seconds of a surface beside its roofline, the ceilings, and what was counted."""
    networks, settings = content["results"]["networks"], content["settings"]
    head = [
        *("network", "precision", "what ran", "batch", "s per point", "set-up, s", "whole surface, s"),
        *("largest relative error", "by arithmetic, s", "by memory, s", "binds", "times the roofline"),
    ]
    names = {name: found["about"].partition(",")[0] for name, found in networks.items()}
    rows = [_surface_row(names[name], row) for name, found in networks.items() for row in found["rows"]]
    return [
        _measured(settings),
        "",
        *table(head, rows),
        "",
        _ceilings(content["results"]["ceilings"]),
        *(_counts(names[name], found, settings["whole"]) for name, found in networks.items()),
        *(
            f"- {names[name]}, {row['precision']}: {row['why']}."
            for name, found in networks.items()
            for row in found["rows"]
            if row.get("why")
        ),
    ]


def _measured(settings: Content) -> str:
    whole, part = settings["whole"], settings["measured"]
    size = f"{whole['side']} x {whole['side']} points on {whole['images']:,} images"
    if whole == part:
        return f"{size}, all of them measured."
    points, images = part["side"] ** 2, part["images"]
    factor = f"{whole['side'] ** 2:,}"
    factor += f" and by {whole['images'] / images:g}" if images != whole["images"] else ""
    return (
        f"{size}, **multiplied**: measured were {points:,} points over the same range on {images:,} images, and the "
        f"median seconds per point are multiplied by {factor}; the set-up is added once."
    )


def _surface_row(network: str, row: Content) -> list[str]:
    if "reason" in row:
        return [network, row["precision"], row["reason"], *([""] * 9)]
    least = row["roofline"]
    error = "-" if row["error"] is None else f"{row['error']:.1e} at {row['compared']} points"
    return [
        *(network, row["precision"], row["ran"], f"{row['batch']:,}"),
        *(f"{row['seconds_per_point']:.3g}", f"{row['setup']:.1f}"),
        f"{digits(row['whole'])}{' (multiplied)' if row['multiplied'] else ''}",
        error,
        *(digits(least[one]) for one in ("arithmetic", "memory")),
        least["binds"],
        _ratio(row["whole"], least),
    ]


def _ratio(whole: float, least: Content) -> str:
    """Times the roofline, and times the arithmetic alone where memory binds."""
    alone = f" ({whole / least['arithmetic']:.2f} by arithmetic)" if least["binds"] == "memory" else ""
    return f"{whole / least['seconds']:.2f}{alone}"


def _ceilings(ceilings: Content) -> str:
    reached = ceilings["measured"]
    best = {
        precision: max((name for name in reached if name.startswith(f"{precision} ")), key=lambda name: reached[name])
        for precision in ceilings["rates"]
    }
    rates = ", ".join(
        f"{precision} {reached[name] / 1e9:,.0f} GFLOP/s ({name.removeprefix(precision).strip()})"
        for precision, name in best.items()
    )
    return f"- Ceilings, measured before: a copy reads and writes {ceilings['bandwidth'] / 1e9:,.0f} GB/s; {rates}."


def _counts(name: str, found: Content, whole: Content) -> str:
    passes = whole["side"] ** 2 * whole["images"]
    floors = {one: found["numbers"] * size * passes / H200 for one, size in (("bf16", 2), ("fp32", 4))}
    return (
        f"- {name}, for one image: {found['operations'] / 1e6:,.1f} million operations, and {found['numbers']:,.0f} "
        f"activations that fused layers read and write: at the 4.8 TB/s of an H200 {floors['bf16']:.1f} s a surface in "
        f"bf16, {floors['fp32']:.1f} s in fp32."
    )


def several_points_table(content: Content) -> list[str]:
    """Microseconds per point, one after the other and several at once, and what that could save."""
    networks = content["results"]
    ways = list(dict.fromkeys(way for found in networks.values() for way in found["rows"]))
    head = ["us per point", *networks]
    rows = [[way, *(_way(found["rows"].get(way)) for found in networks.values())] for way in ways]
    largest = max(found["largest_difference"] for found in networks.values())
    left = [
        f"- Left out, as their activations would take more than a quarter of the memory: {name}, "
        f"{', '.join(map(str, found['left_out']))} at once."
        for name, found in networks.items()
        if found["left_out"]
    ]
    return [
        f"Medians over {content['settings']['rounds']} interleaved rounds, with minima in parentheses; losses differ "
        f"by at most {largest:.0e} of their size.",
        "",
        *table(head, rows),
        "",
        *(_saving(name, found["rows"]) for name, found in networks.items()),
        *left,
        *(f"- {name}, {way}: {why}." for name, found in networks.items() for way, why in found["reasons"].items()),
    ]


def _way(row: Content | None) -> str:
    return "-" if row is None else f"{digits(1e6 * row['median'])} ({digits(1e6 * row['minimum'])})"


def _saving(name: str, rows: Mapping[str, Content]) -> str:
    """What the quickest number of points at once saves of a pass, beside a whole point of `landscape`."""
    several = {way: row["median"] for way, row in rows.items() if "at once" in way}
    alone = min((row["median"], way) for way, row in rows.items() if way.startswith("one after the other"))
    best = min(several, key=lambda way: several[way])
    saved, whole = alone[0] - several[best], rows["a whole point of landscape"]["median"]
    quickest = f"- {name}: {best} takes {several[best] / alone[0]:.2f} times as long as {alone[1]}"
    if saved <= 0:
        return f"{quickest}: nothing is saved."
    if alone[0] > whole:
        return (
            f"{quickest}, but a whole point of `landscape` takes {whole / alone[0]:.2f} times as long as that already."
        )
    return f"{quickest}; the {digits(1e6 * saved)} us saved are {saved / whole:.0%} of a whole point of `landscape`."
