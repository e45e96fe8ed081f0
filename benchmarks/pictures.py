"""Pictures of the results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.workers import CONTENDERS

SHORT = {"lenet": "LeNet", "mlp": "MLP", "resnet20": "ResNet-20", "resnet56": "ResNet-56", "vit": "ViT"}
Content = Mapping[str, Any]


def draw_speed(content: Content, path: Path) -> None:
    """Bars: points per second as a multiple of the user's loop, a panel for each network.

    Args:
        content: Results of `points_per_second`.
        path: The picture.
    """
    import matplotlib.pyplot as plt

    models = content["results"]
    names = [n for n in CONTENDERS if any("median" in m["contenders"].get(n, {}) for m in models.values())]
    size = 2.4 + 2.1 * len(models), 0.9 + 0.34 * len(names)
    figure, axes = plt.subplots(1, len(models), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axis, (model, found) in zip(axes[0], models.items(), strict=True):
        _bars(axis, found["contenders"], names)
        axis.set_title(SHORT[model], fontsize=10)
    axes[0][0].set_yticks(range(len(names)), [CONTENDERS[name].words for name in names], fontsize=9)
    axes[0][0].invert_yaxis()
    figure.supxlabel("points per second, as a multiple of the user's loop (medians; lines: every round)", fontsize=9)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _bars(axis: Any, rows: Content, names: Sequence[str]) -> None:
    user = rows.get("user", {}).get("median", math.nan)
    largest = 1.0
    for place, name in enumerate(names):
        row = rows.get(name, {})
        if "median" not in row:
            axis.annotate(
                "not run",
                (0, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
                color="0.55",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )
            continue
        ratio, each = user / row["median"], [user / seconds for seconds in row["seconds_per_point"]]
        largest = max(largest, *each)
        axis.barh(place, ratio, color="#2a6f97" if CONTENDERS[name].ours else "#b8b8b8", height=0.7)
        axis.plot([min(each), max(each)], [place, place], color="#202020", linewidth=1)
        axis.text(max(ratio, *each), place, f" {ratio:.2f}", va="center", fontsize=8)
    axis.axvline(1.0, color="#202020", linewidth=0.6, linestyle=":")
    axis.set_xlim(0, 1.3 * largest)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)


def draw_pictures(content: Content, path: Path) -> None:
    """Curves: error of the picture against the share of the points.

    Args:
        content: Results of `time_to_picture`.
        path: The picture.
    """
    import matplotlib.pyplot as plt

    found = content["results"]
    figure, axes = plt.subplots(
        1, len(found), figsize=(3.1 * len(found), 3.2), sharey=True, squeeze=False, layout="constrained"
    )
    styles = {"row order": ("#b0813a", "s"), "coarse to fine": ("#6c757d", "o")}
    for axis, (name, row) in zip(axes[0], found.items(), strict=True):
        for order, (colour, mark) in styles.items():
            _curve(axis, row["curves"][order], row["points"], colour, mark, order)
        points = [[one["points"], one["error"]] for one in row["adaptive"] if "points" in one]
        _curve(axis, points, row["points"], "#2a6f97", "D", "adaptive, tolerances 0.2 to 0.01")
        axis.axhline(0.02, color="#202020", linewidth=0.6, linestyle=":")
        axis.set(title=f"{name}\n{row['points']:,} points, {row['seconds']:.0f} s", xscale="log", yscale="symlog")
        axis.set_yscale("symlog", linthresh=1e-4, linscale=0.4)
        axis.set_ylim(0, 1)
        axis.set_xlim(0.015, 1.1)
        axis.set_xticks([0.02, 0.05, 0.1, 0.2, 0.5, 1.0], ["2 %", "5 %", "10 %", "20 %", "50 %", "100 %"])
        axis.xaxis.set_minor_locator(plt.NullLocator())
        axis.title.set_fontsize(9)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("RMS error in log loss, by its range", fontsize=9)
    axes[0][-1].legend(fontsize=7, loc="lower left", frameon=False)
    figure.supxlabel("share of the points measured", fontsize=9)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _curve(axis: Any, points: Sequence[Sequence[float]], size: int, colour: str, mark: str, label: str) -> None:
    shown = [(number / size, value) for number, value in points if math.isfinite(value)]
    axis.plot(*zip(*shown, strict=True), color=colour, marker=mark, markersize=3.5, linewidth=1.2, label=label)
