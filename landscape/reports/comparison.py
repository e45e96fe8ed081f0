"""A comparison as a table: text, CSV, JSON or LaTeX."""

from __future__ import annotations

import csv
import io
import json
import math
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from landscape.analysis.catalogue import STDERR, Measure
from landscape.analysis.comparison import Comparison, Contender, is_lower_bound
from landscape.errors import LandscapeError, SurroundingsError, listed
from landscape.types import Surface

SPECIALS = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {
    sign: "\\" + sign for sign in "&%$#_{}"
}
WIDTH = 118
MEASURED = "measured_share"
NOT_OVER_SEEDS = (
    "the unit of replication is directions of one training run: a claim about an architecture needs several training "
    "seeds (landscape compare A1.h5,A2.h5,A3.h5 B1.h5,B2.h5,B3.h5)"
)


def text(comparison: Comparison) -> str:
    """Write a comparison as plain text: a row per number, a column per contender, then how they differ.

    Args:
        comparison: What to write.

    Returns:
        Lines of text: what was measured, the table, the definitions, what is perturbed, the cautions.
    """
    head, rows = _cells(comparison)
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join(
        [
            *map(_wrapped, _introduction(comparison)),
            "",
            lines[0],
            rule,
            *lines[1:],
            rule,
            *(_wrapped(f"{measure.label}: {measure.definition}") for measure in _rows(comparison)),
            "",
            *map(_wrapped, _perturbed(comparison)),
            *(_wrapped(f"{finding.level} {finding.code}: {finding.text}") for finding in comparison.findings),
        ]
    )


def comma_separated(comparison: Comparison) -> str:
    """Write a comparison as CSV, a line per number and contender.

    Args:
        comparison: What to write.

    Returns:
        Text with a heading line; an empty cell where there is no number.
    """
    stream = io.StringIO()
    rows = _records(comparison)
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: "" if _absent(value) else value for key, value in row.items()} for row in rows)
    return stream.getvalue()


def javascript(comparison: Comparison) -> str:
    """Write a comparison as JSON: everything, every draw of the directions included.

    Args:
        comparison: What to write.

    Returns:
        JSON text; null where there is no number.
    """
    content = {
        "split": comparison.split,
        "contenders": [
            {
                "name": contender.title,
                "policy": contender.policy,
                "files": list(dict.fromkeys(surface.path for draws in contender.surfaces for surface in draws)),
                "values": {name: values.tolist() for name, values in contender.values.items()},
            }
            for contender in comparison.contenders
        ],
        "numbers": _records(comparison),
        "definitions": {measure.name: measure.definition for measure in comparison.measures},
        "findings": [
            {"code": finding.code, "level": finding.level, "text": finding.text} for finding in comparison.findings
        ],
    }
    return json.dumps(_nulls(content), indent=2, allow_nan=False) + "\n"


def latex(comparison: Comparison) -> str:
    """Write a comparison as a LaTeX tabular with booktabs rules.

    Args:
        comparison: What to write.

    Returns:
        LaTeX text, to be wrapped in a table environment.
    """
    head, rows = _cells(comparison)
    body = [" & ".join(map(_escaped, row)) + r" \\" for row in (head, *rows)]
    comments = [f"% {line}" for line in _introduction(comparison)]
    return "\n".join(
        [
            *comments,
            r"\begin{tabular}{l" + "r" * (len(head) - 1) + "}",
            r"\toprule",
            body[0],
            r"\midrule",
            *body[1:],
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


WRITERS: dict[str, Callable[[Comparison], str]] = {
    ".txt": lambda comparison: text(comparison) + "\n",
    ".csv": comma_separated,
    ".json": javascript,
    ".tex": latex,
}


def check_table_path(path: str | Path) -> None:
    """Refuse a name whose suffix is no kind of table, before anything is computed.

    Args:
        path: Where the table is to go.

    Raises:
        LandscapeError: If the suffix is unknown.
    """
    if Path(path).suffix.lower() not in WRITERS:
        raise LandscapeError(f"a table's name must end in one of {listed(WRITERS)}, and {Path(path).name!r} does not")


def save_table(comparison: Comparison, path: str | Path) -> Path:
    """Write a comparison into a file; the suffix says how.

    Args:
        comparison: What to write.
        path: A file name ending in .txt, .csv, .json or .tex.

    Returns:
        The path.

    Raises:
        LandscapeError: If the suffix is unknown.
        SurroundingsError: If the file cannot be written.
    """
    check_table_path(path)
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(WRITERS[path.suffix.lower()](comparison), encoding="utf-8")
    except OSError as error:
        raise SurroundingsError(f"cannot write the table {str(path)!r}: {error.strerror or error}") from error
    return path


def number(value: float) -> str:
    """A number with four digits, as people write it."""
    if math.isnan(value):
        return "-"
    return f"{value:.4g}" if 1e-4 <= abs(value) < 1e6 or value == 0 or math.isinf(value) else f"{value:.3e}"


def _wrapped(line: str) -> str:
    return textwrap.fill(line, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def _rows(comparison: Comparison) -> list[Measure]:
    """The numbers in their own right; that everything was measured needs no line."""
    return [
        measure
        for measure in comparison.measures
        if not measure.of
        and (measure.name != MEASURED or any((c.values[measure.name] != 1).any() for c in comparison.contenders))
    ]


def _cells(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Heading and cells: two contenders side by side, more of them one below the other for each number."""
    contenders = comparison.contenders
    if len(contenders) <= 2:
        head = ["", *(contender.title for contender in contenders)]
        rows = [
            [_label(measure), *(_value(contender, measure) for contender in contenders)]
            + [_effect(comparison, measure, index) for index in range(1, len(contenders))]
            for measure in _rows(comparison)
        ]
        return [*head, *(["second : first"] * (len(contenders) - 1))], rows
    rows = []
    for measure in _rows(comparison):
        rows.append([_label(measure), "", "", ""])
        for index, contender in enumerate(contenders):
            effect = comparison.effect(measure.name, index)
            against = contenders[effect.reference].title if effect else ""
            said = _effect(comparison, measure, index) if effect else ""
            rows.append([f"  {contender.title}", _value(contender, measure), said, against])
    return ["", "median", "compared", "with"], rows


def _label(measure: Measure) -> str:
    unit = "%" if _in_percent(measure) else measure.unit
    return f"{measure.label} ({unit})" if unit else measure.label


def _in_percent(measure: Measure) -> bool:
    return measure.name.endswith("/centre_accuracy")


def _value(contender: Contender, measure: Measure) -> str:
    scale = 100.0 if _in_percent(measure) else 1.0
    middle, low, high = (scale * value for value in contender.summary(measure.name))
    error = contender.values.get(measure.name + STDERR)
    if not measure.replicated and len(contender.surfaces) == 1 and error is not None:
        return f"{number(middle)} ± {scale * error[0, 0]:.2g}"
    bound = "≥ " if is_lower_bound(contender, measure.name) else ""
    return f"{bound}{number(middle)}" + ("" if math.isnan(low) else f" [{number(low)}, {number(high)}]")


def _effect(comparison: Comparison, measure: Measure, index: int) -> str:
    effect = comparison.effect(measure.name, index)
    if effect is None or math.isnan(effect.estimate):
        return "-"
    scale = 100.0 if _in_percent(measure) else 1.0
    sign = "×" if effect.kind == "ratio" else "+" if effect.estimate >= 0 else ""
    said = f"{sign}{number(scale * effect.estimate)}"
    said += "" if math.isnan(effect.low) else f" [{number(scale * effect.low)}, {number(scale * effect.high)}]"
    said += "" if math.isnan(effect.p) or effect.smallest_p == 1 else f" p={effect.p:.2g}"
    pair = (comparison.contenders[index], comparison.contenders[effect.reference])
    said += " (of lower bounds)" if any(is_lower_bound(one, measure.name) for one in pair) else ""
    return said + (f" ({effect.left_out} left out)" if effect.left_out else "")


def _introduction(comparison: Comparison) -> list[str]:
    """What was measured on how much, and what intervals and p values are over."""
    networks = [len(contender.surfaces) for contender in comparison.contenders]
    first = comparison.contenders[0].surfaces[0][0]
    draws = len(comparison.contenders[0].surfaces[0])
    shape = "plane" if len(first.grid.axes) > 1 else "line"
    ranges = ", ".join(
        f"{name} from {axis.values[0]:g} to {axis.values[-1]:g}"
        for name, axis in zip(first.grid.names, first.grid.axes, strict=True)
    )
    examples = int(first.centre[comparison.split]["count"])
    several = f"{draws} {shape}s" if draws > 1 else f"a {shape}"
    lines = [
        f"{first.job.loss} on {examples:,} {comparison.split} examples; {several} through the trained weights, "
        f"{ranges}; {_directions(first)}"
    ]
    if max(networks) > 1:
        told = ", ".join(f"{count} of {c.title}" for count, c in zip(networks, comparison.contenders, strict=True))
        return [
            *lines,
            f"medians over networks of their medians over {draws} draws of the directions ({told}); the unit of "
            "replication is the trained network; between kinds of networks p is that of a permutation test",
        ]
    if draws == 1:
        return [*lines, "one draw of the directions: no intervals; use --repeats 8 for them"]
    smallest = min((e.smallest_p for e in comparison.effects if e.over == "directions"), default=math.nan)
    tested = "" if math.isnan(smallest) else f", of which the smallest possible is {smallest:.2g}"
    return [
        *lines,
        f"medians over {draws} draws of the directions with 95 % bootstrap intervals; p of a two-sided sign-flip test "
        f"on paired draws{tested}; ± and the intervals of the trained weights' own numbers are over the examples",
        "p values are those of single tests: with many numbers some are small by chance",
        NOT_OVER_SEEDS,
    ]


def _directions(surface: Surface) -> str:
    job = surface.job
    if job.directions != "random":
        return f"directions {job.directions}"
    return f"random directions of {job.perturb}, {job.normalize}-normalised, seed {job.seed}"


def _perturbed(comparison: Comparison) -> list[str]:
    """What was moved and what was fixed in each network, with its share of the squared parameter norm."""
    lines = (f"{contender.name}: {_shares(contender.surfaces[0][0])}" for contender in comparison.contenders)
    return list(dict.fromkeys(lines))


def _shares(surface: Surface) -> str:
    rows = surface.provenance.get("parameters", [])
    parts = []
    for row in rows:
        state = {0: "fixed", row["tensors"]: "perturbed"}.get(row["perturbed"], "partly perturbed")
        parts.append(f"{row['role']} {state} ({row['share']:.1%} of the squared norm, {row['elements']:,} numbers)")
    return "; ".join(parts) or "what was perturbed is not recorded"


def _records(comparison: Comparison) -> list[dict[str, Any]]:
    """A flat record for each number and contender."""
    records = []
    for measure in comparison.measures:
        for index, contender in enumerate(comparison.contenders):
            middle, low, high = contender.summary(measure.name)
            effect = comparison.effect(measure.name, index)
            records.append(
                {
                    "measure": measure.name,
                    "label": measure.label,
                    "unit": measure.unit,
                    "contender": contender.title,
                    "policy": contender.policy,
                    "networks": len(contender.surfaces),
                    "draws": len(contender.surfaces[0]),
                    "median": middle,
                    "low": low,
                    "high": high,
                    "lower_bound": is_lower_bound(contender, measure.name),
                    "reference": comparison.contenders[effect.reference].title if effect else "",
                    "kind": effect.kind if effect else "",
                    "over": effect.over if effect else "",
                    "effect": effect.estimate if effect else math.nan,
                    "effect_low": effect.low if effect else math.nan,
                    "effect_high": effect.high if effect else math.nan,
                    "p": effect.p if effect else math.nan,
                    "smallest_p": effect.smallest_p if effect else math.nan,
                    "left_out": effect.left_out if effect else 0,
                }
            )
    return records


def _absent(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _nulls(value: Any) -> Any:
    """The same data with None where a number is not finite: JSON has no others."""
    if isinstance(value, dict):
        return {key: _nulls(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_nulls(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _escaped(cell: str) -> str:
    plain = "".join(SPECIALS.get(sign, sign) for sign in cell)
    return plain.replace("±", r"$\pm$").replace("≥", r"$\geq$").replace("×", r"$\times$")
