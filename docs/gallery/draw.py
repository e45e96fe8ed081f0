"""Draw the gallery: every figure in every style by every renderer, from the runs beside this file.

    python docs/gallery/draw.py                       all of it, a few minutes: `make gallery`
    python docs/gallery/draw.py --style paper 3d      some of it; the page keeps the rest

Small pictures and the page go beside this file; `full/` gets what a user gets: pictures at full size and pages.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import landscape
from landscape.api.scenes import comparison_scenes, scene_of
from landscape.rendering import WRITERS, Scene, save
from landscape.rendering.appearance import Appearance
from landscape.rendering.style import STYLES
from landscape.types import Surface
from landscape.types.trajectory import Trajectory

HERE = Path(__file__).parent
RUNS, FULL = HERE / "runs", HERE / "full"
WIDEST, SMALLEST = 760, 200  # pixels across a committed picture, and across it on the page

load = cache(landscape.load)


def run(name: str) -> Surface:
    """One of the runs."""
    return load(RUNS / f"{name}.h5")


def plotted(kind: str, *names: str, **options: Any) -> Callable[[Appearance], Scene]:
    """What `landscape plot` draws."""

    def scene(looks: Appearance) -> Scene:
        made = {key: value() if callable(value) else value for key, value in options.items()}
        return scene_of([run(name) for name in names], kind, looks, **made)

    return scene


def compared(number: int) -> Callable[[Appearance], Scene]:
    """What `landscape compare` draws, the main figure or one of those beside it."""

    def scene(looks: Appearance) -> Scene:
        comparison = landscape.compare(run("without"), run("with"), policies=("frozen",))
        drawn = comparison_scenes(comparison, **looks.values("loss", {}))
        return looks.applied([each for _, each in drawn][number])

    return scene


def descent(steps: int = 26) -> Trajectory:
    """A path over the plane itself: steepest descent on the measured losses, from a corner."""
    surface = run("without")
    losses = surface["test/loss"][0]  # of the first draw, which a figure of planes shows
    x, y = (axis.array() for axis in surface.grid.axes)
    slopes = np.gradient(np.log(losses), x, y)
    place, places = np.array([-0.85, 0.9]), []
    for _ in range(steps):
        places.append(place)
        i, j = (np.abs(axis - part).argmin() for axis, part in zip((x, y), place, strict=True))
        slope = np.array([slopes[0][i, j], slopes[1][i, j]])
        place = place - 0.04 * slope / max(1.0, float(np.linalg.norm(slope)))
    kept = np.array(places)[::2]
    return Trajectory(*kept.T, tuple(f"step {2 * index}" for index in range(len(kept))), None, "descent")


FIGURES: dict[str, tuple[str, Callable[[Appearance], Scene]]] = {
    "1d": ("profiles with the error of the rise", plotted("1d", "without_line", "with_line", bn="frozen")),
    "2d": ("contours, lines over filled levels", plotted("2d", "without", "with", bn="frozen")),
    "lines": ("contour lines alone", plotted("lines", "with", bn="frozen")),
    "filled": ("filled levels alone", plotted("filled", "with", bn="frozen")),
    "heat": ("heat map; hatched cells are infinite", plotted("heat", "diverging")),
    "points": ("an adaptive run with its points", plotted("2d", "adaptive", points=True)),
    "3d": ("surfaces in space", plotted("3d", "without", "with", bn="frozen")),
    "open": ("a surface that is infinite at the corners", plotted("3d", "diverging")),
    "clipped": ("a surface cut off at 1.5", plotted("3d", "without", clip=1.5)),
    "uncertainty": ("standard errors under level lines", plotted("uncertainty", "without")),
    "drift": ("the drift of BatchNorm's statistics", plotted("drift", "with")),
    "trajectory": (
        "a path over contours (here of steepest descent)",
        plotted("trajectory", "without", trajectory=descent),
    ),
    "path": ("a path in space", plotted("3d", "without", trajectory=descent)),
    "comparison": ("two networks, from above and in space", compared(0)),
    "profiles": ("profiles of the comparison", compared(1)),
    "difference": ("the second network minus the first", compared(2)),
    "numbers": ("numbers of the comparison, with intervals", compared(3)),
    "grid": ("a network under each BatchNorm policy", plotted("grid", "with")),
    "policies": ("the same in space", plotted("3d", "with")),
}


def small(source: Path, target: Path) -> None:
    """A picture for the page: narrower, and as WebP.

    Args:
        source: The picture at full size.
        target: Where the small one goes.
    """
    with Image.open(source) as picture:
        flat = Image.new("RGB", picture.size, "white")
        flat.paste(picture, mask=picture.getchannel("A") if picture.mode == "RGBA" else None)
    if flat.width > WIDEST:
        flat = flat.resize((WIDEST, round(flat.height * WIDEST / flat.width)), Image.Resampling.LANCZOS)
    flat.save(target, quality=86, method=6)


def draw(name: str, style: str, renderers: Sequence[str]) -> None:
    """Draw one figure in one style by every renderer that has its own way of drawing it.

    Args:
        name: The figure.
        style: The style.
        renderers: By which.
    """
    scene = FIGURES[name][1](Appearance(style))
    stem = f"{name}_{style}"
    if "matplotlib" in renderers:
        small(save(scene, FULL / f"{stem}.png"), HERE / f"{stem}.webp")
    if "vtk" in renderers and any(panel.kind == "3d" for panel in scene.panels):
        small(save(scene, FULL / f"{stem}_vtk.png", "vtk"), HERE / f"{stem}_vtk.webp")
    if "plotly" in renderers:
        save(scene, FULL / f"{stem}.html", plotlyjs="directory")
    print(stem, flush=True)


def page() -> str:
    """The page of the gallery, in Markdown: a row for each figure, a column for each style."""
    rows = []
    for name, (words, _) in FIGURES.items():
        for ending, by in (("", ""), ("_vtk", " (vtk)")):
            pictures = [HERE / f"{name}_{style}{ending}.webp" for style in STYLES]
            if not any(path.exists() for path in pictures):
                continue
            cells = [
                f'<a href="{path.name}"><img src="{path.name}" width="{SMALLEST}" alt="{words}, {style}{by}"></a>'
                if path.exists()
                else ""
                for path, style in zip(pictures, STYLES, strict=True)
            ]
            rows.append(f"| **{name}**{by}<br>{words} | " + " | ".join(cells) + " |")
    head = f"| | {' | '.join(STYLES)} |\n|---|{'---|' * len(STYLES)}"
    return f"{INTRODUCTION}\n{head}\n" + "\n".join(rows) + "\n"


INTRODUCTION = """# Gallery

Every figure in every style, drawn by `make gallery` from the runs in [runs/](runs): two LeNets on Fashion-MNIST, one
with and one without BatchNorm, that come with the package ([compute.sh](compute.sh) has the commands). The pictures
here are small ones; `make gallery` also writes them at full size, and every figure as an interactive
page by plotly, into `full/`, which is not kept. Panels in space are drawn twice, by matplotlib and, in rows marked
*(vtk)*, by VTK; what lies flat VTK leaves to matplotlib.
"""


def main() -> None:
    """Draw what was asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure", nargs="*", choices=[[], *FIGURES], help="which figures; all without one")
    parser.add_argument("--style", action="append", choices=list(STYLES), help="which styles; repeatable")
    parser.add_argument("--renderer", action="append", choices=list(WRITERS), help="by which; repeatable")
    asked = parser.parse_args()
    FULL.mkdir(exist_ok=True)
    for name in asked.figure or FIGURES:
        for style in asked.style or STYLES:
            draw(name, style, asked.renderer or list(WRITERS))
    (HERE / "README.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
