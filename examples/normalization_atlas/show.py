"""Draw the atlas and write the tables of its README, from `results.json` and `surfaces/`.

python examples/normalization_atlas/show.py
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from recipes import NETS, Variant
from surfaces import lines_of, plane_of

import landscape
from landscape.analysis.comparison import Contender
from landscape.rendering import FIGURES, save
from landscape.rendering.appearance import Appearance

HERE = Path(__file__).parent
RESULTS: dict[str, Any] = json.loads((HERE / "results.json").read_text())
RISE = "mean_rise_0.5"
POLICIES = ("frozen", "batch", "recalibrate")
COLUMNS = 6
CLIP = 10.0  # of the planes, as in the figures of 2018
SHOWN = 0.01, 20.0  # of the overview
LOOKS = Appearance(dpi=110)


def rows(net: str) -> list[Variant]:
    """The rows of a network that are trained."""
    return [variant for variant in NETS[net].variants if variant.name in RESULTS[net]]


def loaded(path: Path, name: str) -> landscape.Surface:
    """A surface under the name of its row."""
    surface = landscape.load(path)
    return dataclasses.replace(surface, job=dataclasses.replace(surface.job, checkpoint=f"{name}.pt"), path="")


@cache
def measured(
    net: str, policies: Sequence[str] = ("frozen",), seeds: int | None = None
) -> dict[tuple[str, str], Contender]:
    """Every row under every policy that it has, over its seeds, or the first few of them."""
    compared = landscape.compare(
        *([loaded(path, variant.name) for path in lines_of(net, variant)[:seeds]] for variant in rows(net)),
        names=[variant.name for variant in rows(net)],
        policies=policies,
        radii=(0.5, 1.0),
    )
    return {(one.name, one.policy): one for one in compared.contenders}


def number(value: float | None) -> str:
    """Three digits, or a dash."""
    return "–" if value is None or not np.isfinite(value) else f"{value:.3g}"


def interval(contender: Contender, network: int = 0) -> str:
    """The median rise of one network over the draws of the directions, with its interval."""
    alone = dataclasses.replace(contender, values={RISE: contender.values[RISE][network : network + 1]}, surfaces=((),))
    middle, low, high = alone.summary(RISE)
    return f"{number(middle)} [{number(low)}, {number(high)}]"


def spread(values: Sequence[float]) -> str:
    """Mean of several seeds, with the smallest and the largest."""
    if len(values) == 1:
        return number(values[0])
    return f"{number(float(np.mean(values)))} ({number(min(values))} to {number(max(values))})"


def table_of(net: str) -> str:
    """The rows of a network: how they trained, and how fast their loss rises."""
    contenders = measured(net)
    head = [
        *("normalization", "learning rate", "training loss", "test loss", "test accuracy, %"),
        *("rise at ½, over 6 directions (seed 0)", "over 3 seeds"),
    ]
    listing = []
    for variant in rows(net):
        seeds = list(RESULTS[net][variant.name]["seeds"].values())
        contender = contenders[variant.name, "frozen"]
        over_seeds = spread(list(contender.per_network(RISE))) if len(seeds) > 1 else ""
        listing.append(
            [
                f"`{variant.name}`",
                f"{RESULTS[net][variant.name]['rate']:g}",
                *(spread([seed[key] for seed in seeds]) for key in ("train_loss", "test_loss")),
                spread([100 * seed["test_accuracy"] for seed in seeds]),
                interval(contender),
                over_seeds,
            ]
        )
    return markdown(head, listing)


def policies_of(net: str) -> str:
    """The rows that keep statistics, under each policy."""
    contenders = measured(net, POLICIES, seeds=1)
    head = ["normalization", *(f"{what}, {policy}" for what in ("test loss", "rise at ½") for policy in POLICIES)]
    listing = []
    for variant in rows(net):
        own = [contenders.get((variant.name, policy)) for policy in POLICIES]
        kept = [one for one in own if one is not None and one.surfaces[0][0].provenance["statistics_layers"]]
        if len(kept) == len(POLICIES):
            losses = [float(one.values["test/centre_loss"][0, 0]) for one in kept]
            listing.append([f"`{variant.name}`", *map(number, losses), *(interval(one) for one in kept)])
    return markdown(head, listing)


def claim() -> str:
    """Training accuracy of the last epoch of the transformers with and without BatchNorm on the values."""
    names = ("layer, pre", "layer, pre, batch-value", "layer, pre, batch-value, GELU")
    found = {
        name: [100 * seed["running_accuracy"][-1] for seed in RESULTS["vit"][name]["seeds"].values()] for name in names
    }
    plain = found[names[0]]
    listing = [
        [
            f"`{name}`",
            f"{RESULTS['vit'][name]['rate']:g}",
            *(f"{value:.2f}" for value in found[name]),
            f"{np.mean(found[name]):.2f} ± {np.std(found[name], ddof=1):.2f}",
            ", ".join(f"{value - other:+.2f}" for value, other in zip(found[name], plain, strict=True)),
        ]
        for name in names
    ]
    head = ["", "learning rate", "seed 0", "seed 1", "seed 2", "mean ± standard deviation", "minus the first, by seed"]
    return markdown(head, listing)


def searched(net: str) -> str:
    """What the search for a learning rate found: the loss while training in its last epoch."""
    rates = [f"{rate:g}" for rate in NETS[net].rates]
    listing = []
    for variant in rows(net):
        row = RESULTS[net][variant.name]
        best = f"{row['rate']:g}"
        cells = [number(row["search"][rate]) for rate in rates]
        bold = (f"**{cell}**" if rate == best else cell for rate, cell in zip(rates, cells, strict=True))
        listing.append([f"`{variant.name}`", *bold])
    return markdown(["learning rate", *rates], listing)


def markdown(head: Sequence[str], listing: Sequence[Sequence[str]]) -> str:
    """A table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *listing))


def planes(net: str) -> Path:
    """All rows of a network from above, on one scale, under the checkpoints' own statistics."""
    surfaces = [loaded(plane_of(net, variant), variant.name) for variant in rows(net)]
    plain = [one.sel(bn="frozen") if len(one.policies) > 1 else one for one in surfaces]
    scene = FIGURES.get("2d")(plain, log=True, clip=CLIP)
    panels = [
        dataclasses.replace(panel, inner_x=index < len(surfaces) - COLUMNS, inner_y=index % COLUMNS > 0)
        for index, panel in enumerate(scene.panels)
    ]
    small = dataclasses.replace(scene, panels=tuple(panels), columns=COLUMNS, size=(1.75, 1.75))
    return save(LOOKS.applied(small), HERE / f"{net}.png")


def policies(net: str) -> Path:
    """The rows that keep statistics, one by one, under the three policies."""
    surfaces = [loaded(plane_of(net, variant), variant.name) for variant in rows(net)]
    kept = [one for one in surfaces if one.provenance["statistics_layers"]]
    scene = FIGURES.get("grid")(
        kept, names=[one.job.checkpoint.removesuffix(".pt") for one in kept], log=True, clip=CLIP
    )
    return save(LOOKS.applied(dataclasses.replace(scene, size=(1.9, 1.9))), HERE / f"{net}_policies.png")


def overview() -> Path:
    """The rise of all rows of all networks: a dot for each direction, a bar for each median, a colour for each seed."""
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    for axes, net in zip(figure.subplots(1, len(NETS)), NETS, strict=True):
        contenders = measured(net)
        for place, variant in enumerate(rows(net)):
            for seed, values in enumerate(contenders[variant.name, "frozen"].values[RISE]):
                dots(axes, values, place + 0.22 * (seed - 1), f"C{seed}")
        axes.set(xscale="log", xlim=SHOWN, ylim=(len(rows(net)) - 0.5, -0.5))
        axes.set_title(NETS[net].title, fontsize=10)
        axes.set_yticks(range(len(rows(net))), [variant.name for variant in rows(net)], fontsize=6.5)
        axes.tick_params(axis="x", labelsize=7)
        axes.grid(axis="x", color="#dddddd", linewidth=0.5)
        for place, variant in enumerate(rows(net)):
            axes.get_yticklabels()[place].set_fontweight("bold" if variant.headline else "normal")
    figure.supxlabel("mean rise of the test loss at a distance of ½ along a filter-normalised direction", fontsize=9)
    figure.savefig(HERE / "overview.png", dpi=140)
    return HERE / "overview.png"


def dots(axes: Any, values: np.ndarray, height: float, colour: str) -> None:
    """The rises of a network and their median; arrows at the ends stand for what lies beyond."""
    shown = np.clip(values, *SHOWN)
    for mark, there in (("o", shown == values), ("<", values < SHOWN[0]), (">", values > SHOWN[1])):
        size = 7 if mark == "o" else 22
        axes.scatter(
            shown[there], np.full(there.sum(), height), s=size, marker=mark, color=colour, linewidths=0, zorder=3
        )
    if SHOWN[0] <= np.median(values) <= SHOWN[1]:
        axes.plot([np.median(values)] * 2, [height - 0.14, height + 0.14], color=colour)


def sections() -> Iterator[tuple[str, Callable[[], str]]]:
    """The tables of the README, by the names of their marks."""
    for net in NETS:
        yield f"table {net}", lambda net=net: table_of(net)
        yield f"policies {net}", lambda net=net: policies_of(net)
        yield f"search {net}", lambda net=net: searched(net)
    yield "claim", claim


def main() -> None:
    """Draw everything, and replace the tables in the README between their marks."""
    readme = HERE / "README.md"
    text = readme.read_text()
    for name, make in sections():
        pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = pattern.sub(lambda found, make=make: f"{found[1]}{make()}\n{found[2]}", text)
    readme.write_text(text)
    for net in NETS:
        print(planes(net), policies(net))
    print(overview())


if __name__ == "__main__":
    main()
