"""What a figure claims is what it draws: colours by the bar, levels, the clip, and the numbers in its caption."""

import re

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from surfaces import broken, rugged, valley

from landscape.rendering import matplotlib, plotly
from landscape.rendering.appearance import Appearance
from landscape.rendering.figures import contour, filled, heat, lines, surface3d
from landscape.rendering.relief import relief
from landscape.rendering.scene import Contour, Mesh
from landscape.rendering.style import STYLES

SOURCES = {"linear": valley(21, 17), "log": rugged(21)}
every_source = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


def pixels(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3] / 255


def readings(scene, source):
    """For some grid points: the value, and the range of values whose place on the drawn bar has the point's colour."""
    figure, scale = matplotlib.render(scene), scene.bar.scale
    image = pixels(figure)[::-1]
    axes, bar = figure.axes[0], figure.axes[-1]
    box = bar.get_window_extent()
    column = image[round(box.y0) + 2 : round(box.y1) - 2, round((box.x0 + box.x1) / 2)]
    ticks = np.array([float(text.get_text().replace("\N{MINUS SIGN}", "-")) for text in bar.get_yticklabels()])
    slope, start = np.polyfit(bar.get_yticks(), np.log10(ticks + scale.offset) if scale.log else ticks, 1)
    x, y = (axis.array() for axis in source.grid.axes)
    for i in range(1, len(x) - 1, 3):
        for j in range(1, len(y) - 1, 3):
            place = axes.transData.transform((x[i], y[j])).astype(int)
            same = np.flatnonzero(np.abs(column - image[place[1], place[0]]).max(axis=1) < 0.02)
            if len(same) and np.hypot(x[i], y[j]) > 0.25:  # there is the star, and around it the smallest loss
                ends = np.array([same[0] - 1, same[-1] + 1]) / len(column) * slope + start
                yield source["test/loss"][i, j], *(10**ends - scale.offset if scale.log else ends)


@every_source
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("figure", [filled, heat])
def test_colours_read_by_the_bar_are_the_values(figure, style, source):
    scene = Appearance(style, dpi=100).applied(figure(source))
    scale, found = scene.bar.scale, list(readings(scene, source))
    inside = [(value, low, high) for value, low, high in found if scale.lower < value < scale.upper]
    assert len(inside) >= 10
    for value, low, high in inside:
        assert low * 0.97 <= value <= high * 1.03


@every_source
def test_plotly_colours_values_as_its_bar_reads(source):
    scene = heat(source)
    figure = plotly.render(scene)
    trace = next(trace for trace in figure.data if trace.type == "heatmap")
    bar = figure.layout.to_plotly_json()[trace.coloraxis]["colorbar"]
    ticks = np.array([float(text) for text in bar["ticktext"]])
    heights = np.log10(ticks) if scene.bar.scale.log else ticks
    slope, start = np.polyfit(bar["tickvals"], heights, 1)
    read = slope * np.asarray(trace.z) + start
    truth = source["test/loss"].T
    np.testing.assert_allclose(read, np.log10(truth) if scene.bar.scale.log else truth, atol=0.01)


def height_at(source, places):
    """Bilinear values of a surface, or of their logarithm, at places: by the four corners, one by one."""
    x, y = (axis.array() for axis in source.grid.axes)
    found = []
    for a, b in places:
        i, j = (int(np.clip(np.searchsorted(axis, part) - 1, 0, len(axis) - 2)) for axis, part in ((x, a), (y, b)))
        u, v = (a - x[i]) / (x[i + 1] - x[i]), (b - y[j]) / (y[j + 1] - y[j])
        corners = source["test/loss"][i : i + 2, j : j + 2]
        found.append(np.array([1 - u, u]) @ corners @ np.array([1 - v, v]))
    return np.array(found)


def test_lines_of_the_finished_figure_lie_at_the_levels_that_the_caption_counts():
    source = SOURCES["linear"]
    scene = lines(source)
    (mark,) = (mark for mark in scene.panels[0].marks if isinstance(mark, Contour))
    levels = mark.scale.levels
    drawn = [one for one in matplotlib.render(scene).axes[0].collections if isinstance(one, LineCollection)]
    assert len(drawn) == len(levels)
    for level, collection in zip(levels, drawn, strict=True):
        for piece in collection.get_segments():
            np.testing.assert_allclose(height_at(source, piece[::7]), level, atol=0.02)
    number, low, high = re.search(r"(\d+) contour levels, ([\d.]+) to ([\d.]+)", scene.caption).groups()
    assert (int(number), float(low), float(high)) == pytest.approx((len(levels), levels[0], levels[-1]))


@pytest.mark.parametrize("figure", [contour, heat, surface3d])
def test_the_caption_counts_the_cells_that_the_surface_lacks(figure):
    source = broken(valley(), nan=[(0, 0), (5, 5)], inf=[(7, 1)], undone=[(3, 3), (3, 4), (12, 8)])
    said = figure(source).caption
    size = source["test/loss"].size
    assert f"3 of {size} cells not finite" in said
    assert re.search(rf"3 (of {size} )?(cells )?not (yet )?measured", said) or "blank" in said
    assert "n = 200" in said


@pytest.mark.parametrize("clip", [5.0, 20.0])
def test_nothing_is_drawn_above_the_clip_that_is_told(clip):
    scene = surface3d(SOURCES["log"], clip=clip)
    (mesh,) = (mark for mark in scene.panels[0].marks if isinstance(mark, Mesh))
    height = float(scene.bar.scale.transform(clip))
    assert relief(mesh).corners[..., 2].max() == pytest.approx(height)
    assert scene.bar.clipped
    assert f"{clip:g}" in scene.bar.label + scene.caption
    top = matplotlib.render(scene).axes[0].get_zlim()[1]
    assert top == pytest.approx(height)
    assert plotly.render(scene).layout.scene.zaxis.range[1] == pytest.approx(top)
