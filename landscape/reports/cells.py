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
            [label(measure), *(value(contender, measure) for contender in contenders)]
            + [effect(comparison, measure, index) for index in range(1, len(contenders))]
            for measure in rows(comparison)
        ]
        return [*head, *(["second : first"] * (len(contenders) - 1))], listing
    listing = []
    for measure in rows(comparison):
        listing.append([label(measure), "", "", ""])
        for index, contender in enumerate(contenders):
            found = comparison.effect(measure.name, index)
            against = contenders[found.reference].title if found else ""
            said = effect(comparison, measure, index) if found else ""
            listing.append([f"  {contender.title}", value(contender, measure), said, against])
    return ["", "median", "compared", "with"], listing


def label(measure: Measure) -> str:
    """What a row is called, with its unit."""
    unit = "%" if _in_percent(measure) else measure.unit
    return f"{measure.label} ({unit})" if unit else measure.label


def _in_percent(measure: Measure) -> bool:
    return measure.name.endswith("/centre_accuracy")


def value(contender: Contender, measure: Measure) -> str:
    """A number of one contender, with what it is known to."""
    scale = 100.0 if _in_percent(measure) else 1.0
    middle, low, high = (scale * one for one in contender.summary(measure.name))
    error = contender.values.get(measure.name + STDERR)
    if not measure.replicated and len(contender.surfaces) == 1 and error is not None and not math.isnan(error[0, 0]):
        return f"{number(middle)} ± {scale * error[0, 0]:.2g}"
    bound = "≥ " if is_lower_bound(contender, measure.name) else ""
    return f"{bound}{number(middle)}" + ("" if math.isnan(low) else f" [{number(low)}, {number(high)}]")


def effect(comparison: Comparison, measure: Measure, index: int) -> str:
    """How a contender differs in a number from what it is compared with; a dash where that is not known."""
    found = comparison.effect(measure.name, index)
    if found is None or math.isnan(found.estimate):
        return "-"
    scale = 100.0 if _in_percent(measure) else 1.0
    sign = "×" if found.kind == "ratio" else "+" if found.estimate >= 0 else ""
    said = f"{sign}{number(scale * found.estimate)}"
    said += "" if math.isnan(found.low) else f" [{number(scale * found.low)}, {number(scale * found.high)}]"
    said += "" if math.isnan(found.p) or found.smallest_p == 1 else f" p={found.p:.3g}"
    said += "" if found.paired or found.over != "directions" else " (unpaired)"
    pair = (comparison.contenders[index], comparison.contenders[found.reference])
    said += " (of lower bounds)" if any(is_lower_bound(one, measure.name) for one in pair) else ""
    return said + (f" ({found.left_out} left out)" if found.left_out else "")


def matrix(comparison: Comparison) -> list[tuple[Measure, list[tuple[str, str]]]]:
    """Write the cells with a column for each contender.

    Args:
        comparison: The comparison.

    Returns:
        For each number, and each contender, the number itself and how it differs; the latter is empty for what the
        others are compared with.
    """
    numbers = range(len(comparison.contenders))
    return [
        (
            measure,
            [
                (
                    value(comparison.contenders[index], measure),
                    effect(comparison, measure, index) if comparison.effect(measure.name, index) else "",
                )
                for index in numbers
            ],
        )
        for measure in rows(comparison)
    ]


def references(comparison: Comparison) -> list[int | None]:
    """List with which contender each one is compared; None for those that are not."""
    found = {one.contender: one.reference for one in comparison.effects}
    return [found.get(index) for index in range(len(comparison.contenders))]
