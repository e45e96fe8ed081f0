"""A comparison as CSV, JSON or LaTeX."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

from landscape.analysis.comparison import Comparison, is_lower_bound
from landscape.rendering.escaping import latex_text, line_of
from landscape.reports.cells import cells
from landscape.reports.introduction import introduction


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
        JSON text; null where there is no number, and the string "inf" or "-inf" where one was measured as infinite.
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
    return json.dumps(_plain(content), indent=2, allow_nan=False) + "\n"


def latex(comparison: Comparison) -> str:
    """Write a comparison as a LaTeX tabular with booktabs rules.

    Args:
        comparison: What to write.

    Returns:
        LaTeX text, to be wrapped in a table environment.
    """
    head, listing = cells(comparison)
    body = [" & ".join(map(latex_text, row)) + r" \\" for row in (head, *listing)]
    comments = [f"% {line_of(line)}" for line in introduction(comparison)]
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
                    "paired": effect.paired if effect else False,
                }
            )
    return records


def _absent(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _plain(value: Any) -> Any:
    """The same data as JSON can hold: None where there is no number, a word where one was measured as infinite."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value)
