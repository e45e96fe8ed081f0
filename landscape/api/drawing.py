"""Surfaces as pictures, alone and compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landscape.api.reading import loaded
from landscape.api.scenes import comparison_scenes, scene_of
from landscape.errors import LandscapeError
from landscape.types import Surface

if TYPE_CHECKING:
    from landscape.analysis.comparison import Comparison
    from landscape.types import Trajectory


def plot(
    surface: Surface | str | Path | Sequence[Surface],
    kind: str | None = None,
    *,
    out: str | Path | None = None,
    ax: Any = None,
    bar: bool = True,
    quantity: str = "loss",
    log: bool | None = None,
    clip: float | None = None,
    levels: int | Sequence[float] | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    bn: str | Sequence[str] | None = None,
    repeat: int | None = None,
    points: bool = False,
    trajectory: Trajectory | str | Path | None = None,
    style: str = "default",
    view: tuple[float, float] | None = None,
    size: tuple[float, float] | None = None,
    dpi: float | None = None,
    cmap: str | None = None,
    title: str | None = None,
    caption: bool = True,
    transparent: bool = False,
    tex: bool = False,
    fragment: bool = False,
    plotlyjs: str = "embed",
    renderer: str | None = None,
) -> Any:
    """Draw a surface, or several side by side on one scale; a picture for each policy that they hold.

    Args:
        surface: The surface, its file, or several surfaces.
        kind: `"1d"`, `"2d"`, `"lines"` or `"filled"` (one of the two parts of `"2d"` alone), `"heat"` (a cell for each
            point), `"3d"`, `"uncertainty"` (standard errors in percent of the loss, under lines of the mean),
            `"uncertainty-rise"` (in percent of its rise), `"drift"` (of BatchNorm's statistics), `"comparison"` (a row
            for each network and policy), `"grid"` (a row for each network, a column for each policy) or `"difference"`
            (the second of two minus the first); None for what suits the number of directions.
        out: A .png, .pdf, .svg or .html file to write.
        ax: Axes of a matplotlib figure to draw into, for a picture of one panel; None for a figure of its own.
        bar: Whether axes that are given get a colour bar.
        quantity: `"loss"`, `"accuracy"`, any `"split/name"` of the file, or `"drift"` of BatchNorm's statistics.
        log: Whether the scale is logarithmic; None to choose by the values. That of a difference is linear.
        clip: The largest value that is drawn.
        levels: How many contour levels, or which.
        vmin: The lower end of the scale, exactly.
        vmax: The upper end of the scale, exactly; the same as `clip`.
        bn: Policy for BatchNorm's statistics, or several, of those that are there; None for all.
        repeat: Which draw of the directions, from 0; None for the median of all in a figure of lines, else the first.
        points: Whether to mark the points that were measured, from above (`"2d"`) or along lines (`"1d"`): those of
            an adaptive run are not all that are drawn.
        trajectory: The path of a training through the plane, drawn over it from above or in space: a
            `landscape.Trajectory`, a projection file of the 2018 tool, or a .csv file with the columns x and y.
        style: `"default"`, `"paper"` (the look of Li et al. 2018), `"dark"`, `"mono"` (in grey) or `"talk"` (large).
        view: Viewpoint of pictures in space, in degrees: over the floor, and around the vertical axis.
        size: Width and height of the whole figure, in inches.
        dpi: Pixels per inch.
        cmap: Colour map, of those in `landscape.rendering.colour_maps`.
        title: Title of the figure; empty for none.
        caption: Whether there is a caption.
        transparent: Whether the page is left out.
        tex: Whether LaTeX sets the letters.
        fragment: Whether an .html file is a piece to paste into a page, instead of a page.
        plotlyjs: Where plotly.js of an .html file is: `"embed"` (in it), `"directory"` (written beside it) or `"none"`
            (the page that it is pasted into loads it).
        renderer: `"matplotlib"`, `"plotly"` (.html) or `"vtk"`, which lights surfaces in space with soft shadows and
            needs pyvista; None for plotly in .html files and matplotlib elsewhere.

    Returns:
        The path where `out` is given, the axes that were given, else a figure of the renderer: one of matplotlib for
        vtk, too.

    Raises:
        LandscapeError: If the kind, quantity or file type is unknown, there is no such policy or repeat, or points are
            to be marked in another kind of picture.
    """
    from landscape.api.embedding import drawn
    from landscape.rendering import check_path, save
    from landscape.rendering.appearance import Appearance

    web: dict[str, Any] = {} if plotlyjs == "embed" and not fragment else {"whole": not fragment, "plotlyjs": plotlyjs}
    if web and (out is None or check_path(out) != "html"):
        raise LandscapeError("a fragment, and a place for plotly.js, are a matter of .html files: name one")
    if ax is not None and out is not None:
        raise LandscapeError("give axes to draw into, ax, or a file to write, out, not both")
    looks = Appearance(style, cmap, view, size, dpi, title, caption, transparent, tex)
    if out is not None:
        looks.check_file(check_path(out, renderer))
    scale = {"log": log, "clip": clip, "levels": levels, "vmin": vmin, "vmax": vmax}
    scene = scene_of(
        surface, kind, looks, quantity=quantity, bn=bn, repeat=repeat, points=points, trajectory=trajectory, **scale
    )
    return drawn(scene, renderer, ax, bar) if out is None else save(scene, out, renderer, **web)


def compare(
    *groups: Surface | str | Path | Sequence[Surface | str | Path],
    names: Sequence[str] | None = None,
    split: str | None = None,
    policies: Sequence[str] = (),
    **settings: Any,
) -> Comparison:
    """Compare trained networks on one range: numbers with intervals, and what they are intervals over.

    Args:
        groups: For each kind of network its surface or file, or several, one per training seed. The others are
            compared with the first; the policies of a file are compared with its first.
        names: What the groups are called; None for the names of their files.
        split: The split whose losses are measured; None for the first that all have.
        policies: Only these policies for BatchNorm's statistics; all where none are given.
        settings: `thresholds` (of the widths), `radii` (of the mean rises), `neighbourhood` (radius of the paraboloid),
            `persistence` (depth of a basin that counts).

    Returns:
        The comparison: `print` shows its table, `save` writes it, `plot` draws it.

    Raises:
        LandscapeError: If there is nothing to compare, or the examples or the losses differ.

    Example:
        >>> import landscape, torch
        >>> data = (torch.eye(4), torch.arange(4) % 2)
        >>> options = {"data": data, "y": None, "x": (-1, 1, 5), "repeats": 4, "progress": False}
        >>> one, two = (landscape.compute(torch.nn.Linear(4, 2), **options) for _ in range(2))
        >>> landscape.compare(one, one).effect("mean_rise_1", 1).estimate
        1.0
    """
    from landscape.analysis.comparison import compared

    return compared([loaded(group) for group in groups], names, split, policies, **settings)


def draw_comparison(
    comparison: Comparison,
    out: str | Path | None = None,
    *,
    quantity: str = "loss",
    log: bool | None = None,
    clip: float | None = None,
    levels: int | Sequence[float] | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    layout: str = "rows",
    **looks: Any,
) -> Any:
    """Draw what is compared on one range, one colour scale and one level set.

    A network that keeps no statistics is drawn once, being the same under every policy.

    Args:
        comparison: The comparison.
        out: A .png, .pdf, .svg or .html file to write; profiles of planes, and the map of the difference between
            two on one grid, go beside it under names that end in `_1d` and `_difference`; beside pictures of the loss,
            where there are several draws or networks of a kind, their numbers under one that ends in `_numbers`.
        quantity: `"loss"`, `"accuracy"`, or any `"split/name"` of the files.
        log: Whether the scale is logarithmic; None to choose by the values.
        clip: The largest value that is drawn.
        levels: How many contour levels, or which.
        vmin: The lower end of the scale, exactly.
        vmax: The upper end of the scale, exactly; the same as `clip`.
        layout: `"rows"`, a row for each network and policy, from above and in space; `"grid"` or `"grid-3d"`,
            `"grid-heat"`, ... (every kind of picture of planes), a row for each network and a column for each policy.
        looks: Settings of the figures' looks, as for `plot`; a colour map is that of the figures whose values it suits.

    Returns:
        The paths that were written where `out` is given, else a matplotlib figure.

    Raises:
        LandscapeError: If the layout or the quantity is unknown, the layout is one of planes and these are lines, or
            there is nothing to draw.
    """
    from landscape.rendering import check_path, save
    from landscape.rendering.appearance import Appearance
    from landscape.rendering.matplotlib import render

    appearance = Appearance(**looks)
    if out is not None:
        appearance.check_file(check_path(out))
    scale = {"log": log, "clip": clip, "levels": levels, "vmin": vmin, "vmax": vmax}
    shown = appearance.values(quantity, scale)
    scenes = comparison_scenes(comparison, quantity=quantity, layout=layout, **shown)
    if out is None:
        return render(appearance.applied(next(scenes)[1]))
    path = Path(out)
    drawn = [(ending, appearance.applied(scene)) for ending, scene in scenes]
    return [save(scene, path.with_name(f"{path.stem}{ending}{path.suffix}")) for ending, scene in drawn]
