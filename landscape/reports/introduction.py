"""What a table of a comparison is about: what was measured on how much, and what stands behind each sign in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from landscape.analysis.comparison import Comparison, Effect
from landscape.types import Surface
from landscape.types.job import UNKNOWN

NOT_OVER_SEEDS = (
    "the unit of replication is directions of one training run: a claim about an architecture needs several training "
    "seeds (landscape compare A1.h5,A2.h5,A3.h5 B1.h5,B2.h5,B3.h5)"
)
# At five values the interval of a median holds the true one in 94 per cent of cases, below in clearly fewer.
FEW = 5
COVERAGE = "with few of them these cover less than 95 %, 75 % at three"
UNPAIRED = (
    "ratio of the geometric means (or the difference of the means) without an interval, p of a two-sided permutation"
)


def introduction(comparison: Comparison) -> list[str]:
    """Say what was measured on how much, and what every interval, error and p value in the table is over.

    Args:
        comparison: The comparison.

    Returns:
        Sentences without full stops, one a line; each is there only where it applies.
    """
    sizes = [len(contender.surfaces) for contender in comparison.contenders]
    draws = len(comparison.contenders[0].surfaces[0])
    lines = [_measured(comparison, draws)]
    if max(sizes) > 1:
        lines += _over_networks(comparison, sizes, draws)
    elif draws > 1:
        few = f"; {COVERAGE}" if draws < FEW else ""
        lines.append(f"medians over {draws} draws of the directions; [..] are 95 % bootstrap intervals over them{few}")
    else:
        lines.append("one draw of the directions: no intervals over directions; use --repeats 8 for them")
    lines += _tests(comparison.effects, draws)
    if min(sizes) == 1:
        lines.append(_over_examples(comparison.effects))
    if any(effect.smallest_p < 1 for effect in comparison.effects):
        lines.append("p values are those of single tests: with many numbers some are small by chance")
    if max(sizes) > 1:
        return [*lines, "the unit of replication is the trained network"]
    return [*lines, NOT_OVER_SEEDS] if draws > 1 else lines


def _measured(comparison: Comparison, draws: int) -> str:
    first = comparison.contenders[0].surfaces[0][0]
    shape = "plane" if len(first.grid.axes) > 1 else "line"
    ranges = ", ".join(
        f"{name} from {axis.values[0]:g} to {axis.values[-1]:g}"
        for name, axis in zip(first.grid.names, first.grid.axes, strict=True)
    )
    counted = first.centre[comparison.split].get("count")
    examples = "an unknown number of" if counted is None else f"{int(counted):,}"
    loss = "a loss that is not known" if first.job.loss == UNKNOWN else first.job.loss
    several = f"{draws} {shape}s" if draws > 1 else f"a {shape}"
    return (
        f"{loss} on {examples} {comparison.split} examples; {several} through the trained weights, "
        f"{ranges}; {_directions(comparison)}"
    )


def _over_networks(comparison: Comparison, sizes: Sequence[int], draws: int) -> Iterator[str]:
    told = ", ".join(f"{count} of {c.title}" for count, c in zip(sizes, comparison.contenders, strict=True))
    own = f"their medians over {draws} draws" if draws > 1 else "one draw"
    yield (
        f"medians over networks of {own} of the directions ({told}); [..] are 95 % bootstrap intervals over networks: "
        f"{COVERAGE}"
    )
    if min(sizes) == 1 and draws > 1:
        yield "of a single network the median and its [..] are over the draws of the directions"


def _tests(effects: Sequence[Effect], draws: int) -> Iterator[str]:
    """How contenders are compared, for each way in which some of them are."""
    for over, what in (("directions", "draws of the directions"), ("networks", "networks")):
        found = [effect for effect in effects if effect.over == over]
        pairs, groups = ([one for one in found if one.paired == which] for which in (True, False))
        if pairs and (draws > 1 or over == "networks"):
            named = "the same draws of the directions" if over == "directions" else "the same networks"
            yield (
                f"compared in pairs ({named}): the median ratio or difference with its bootstrap interval over the "
                f"pairs, p of a two-sided sign-flip test{_smallest(pairs)}"
            )
        if groups and (draws > 1 or over == "networks"):
            named = " (unpaired: their directions differ)" if over == "directions" else " of different kinds"
            yield f"{what}{named} are compared by the {UNPAIRED} test{_smallest(groups)}"
        elif groups:
            yield "unpaired: the directions differ"


def _smallest(effects: Sequence[Effect]) -> str:
    smallest = min((one.smallest_p for one in effects if math.isfinite(one.smallest_p)), default=math.nan)
    return "" if math.isnan(smallest) else f", of which the smallest possible is {smallest:.2g}"


def _over_examples(effects: Sequence[Effect]) -> str:
    """What stands beside the loss and the accuracy of the trained weights of a single network."""
    apart = [effect for effect in effects if effect.over == "examples"]
    said = "± of the trained weights' own loss and accuracy is one standard error over the examples"
    if not apart:
        return said
    said += ", and the [..] of how these differ is 1.96 standard errors either way"
    if all(effect.paired for effect in apart):
        return f"{said}, of a difference taken example by example"
    return f"{said}, as if the examples of the two were independent, which errs on the wide side" + (
        ", except where the difference was taken example by example" if any(effect.paired for effect in apart) else ""
    )


def _directions(comparison: Comparison) -> str:
    """Which directions, with the seed where it is that of all."""
    jobs = [surface.job for one in comparison.contenders for draws in one.surfaces for surface in draws]
    named = list(dict.fromkeys(job.directions for job in jobs))
    if named != ["random"]:
        return f"directions {', '.join(named)}"
    seeds, perturbed, normalised = (
        " or ".join(dict.fromkeys(str(getattr(job, field)) for job in jobs))
        for field in ("seed", "perturb", "normalize")
    )
    return f"random directions of {perturbed}, {normalised}-normalised, seed {seeds}"


def perturbed(comparison: Comparison) -> list[str]:
    """Say what was moved and what was fixed in each network, with its share of the squared parameter norm.

    Args:
        comparison: The comparison.

    Returns:
        A line for each kind of network.
    """
    lines = (f"{contender.name}: {_shares(contender.surfaces[0][0])}" for contender in comparison.contenders)
    return list(dict.fromkeys(lines))


def _shares(surface: Surface) -> str:
    rows = surface.provenance.get("parameters", [])
    parts = []
    for row in rows:
        state = {0: "fixed", row["tensors"]: "perturbed"}.get(row["perturbed"], "partly perturbed")
        parts.append(f"{row['role']} {state} ({row['share']:.1%} of the squared norm, {row['elements']:,} numbers)")
    return "; ".join(parts) or "what was perturbed is not recorded"
