"""The cells of a table of a comparison: numbers, what they are known to, and how contenders differ."""

from __future__ import annotations

import math

from landscape.analysis.catalogue import STDERR, Measure
from landscape.analysis.comparison import Comparison, Contender, is_lower_bound

MEASURED = "measured_share"


def number(value: float) -> str:
    """Write a number with four digits, as people do.

    Args:
        value: The number.

    Returns:
        Text; a dash where there is none.
    """
    if math.isnan(value):
        return "-"
    return f"{value:.4g}" if 1e-4 <= abs(value) < 1e6 or value == 0 or math.isinf(value) else f"{value:.3e}"


def rows(comparison: Comparison) -> list[Measure]:
    """List the numbers in their own right; that everything was measured needs no line.

    Args:
        comparison: The comparison.

    Returns:
        One for each row of a table.
    """
    return [
        measure
        for measure in comparison.measures
        if not measure.of
        and (measure.name != MEASURED or any((c.values[measure.name] != 1).any() for c in comparison.contenders))
    ]


def cells(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Write heading and cells: two contenders side by side, more of them one below the other for each number.

    Args:
        comparison: The comparison.

    Returns:
        The heading, and the rows, all of one length.
    """
    contenders = comparison.contenders
    if len(contenders) <= 2:
        head = ["", *(contender.title for contender in contenders)]
        listing = [
            [_label(measure), *(_value(contender, measure) for contender in contenders)]
            + [_effect(comparison, measure, index) for index in range(1, len(contenders))]
            for measure in rows(comparison)
        ]
        return [*head, *(["second : first"] * (len(contenders) - 1))], listing
    listing = []
    for measure in rows(comparison):
        listing.append([_label(measure), "", "", ""])
        for index, contender in enumerate(contenders):
            effect = comparison.effect(measure.name, index)
            against = contenders[effect.reference].title if effect else ""
            said = _effect(comparison, measure, index) if effect else ""
            listing.append([f"  {contender.title}", _value(contender, measure), said, against])
    return ["", "median", "compared", "with"], listing


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
    said += "" if math.isnan(effect.p) or effect.smallest_p == 1 else f" p={effect.p:.3g}"
    said += "" if effect.paired or effect.over != "directions" else " (unpaired)"
    pair = (comparison.contenders[index], comparison.contenders[effect.reference])
    said += " (of lower bounds)" if any(is_lower_bound(one, measure.name) for one in pair) else ""
    return said + (f" ({effect.left_out} left out)" if effect.left_out else "")
