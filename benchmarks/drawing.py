"""How long a figure takes, and how large a page with a fine grid is: process time of drawing, imports aside.

python -m benchmarks.drawing            51 x 51 from above and in space, 501 x 501 in all renderers
python -m benchmarks.drawing --quick    51 x 51 from above alone
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.environment import environment, write_results
from landscape.rendering import FIGURES, save
from landscape.rendering.scene import Scene
from landscape.types import Axis, Grid, Job, Surface

REPEATS = 3
LIBRARY = {"png": "matplotlib", "html": "plotly"}
CASES: tuple[tuple[int, str, str, str | None], ...] = (
    *((number, kind, suffix, None) for number in (51, 501) for kind in ("2d", "3d") for suffix in ("png", "html")),
    *((number, "3d", "png", "vtk") for number in (51, 501)),
)


def surface(number: int) -> Surface:
    """A surface with losses over three decades and a little noise.

    Args:
        number: Points along each axis.

    Returns:
        The surface.
    """
    axis = Axis.regular(-1.0, 1.0, number)
    x, y = np.meshgrid(axis.array(), axis.array(), indexing="ij")
    rise = 2.6 * np.sqrt((x**2 + y**2) / 2) + 0.2 * np.sin(9 * x) * (x**2 + y**2)
    noise = np.random.default_rng(0).standard_normal((number, number))
    quantities = {
        "test/loss": 0.3 * 10**rise * np.exp(0.02 * noise),
        "test/count": np.full((number, number), 200, dtype=np.int64),
    }
    named = {"checkpoint": "net.pt", "checkpoint_sha256": "0" * 64, "model": "lenet", "data": "set.npz"}
    more = {"data_digest": {"test": "1" * 64}, "loss": "cross-entropy", "x": str(axis), "y": str(axis)}
    centre = {"test": {"loss": 0.3, "accuracy": 0.9, "count": 200.0}}
    return Surface(Grid((axis, axis)), quantities, Job(**named, **more), centre)


def seconds(scene: Scene, path: Path, renderer: str | None, repeats: int) -> float:
    """The median process time of drawing a figure, with that of processes that it starts.

    Args:
        scene: The figure.
        path: Where it goes.
        renderer: The drawing library; None for that of the suffix.
        repeats: How often to draw it.

    Returns:
        Seconds.
    """
    taken = []
    for _ in range(repeats):
        start, before = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
        save(scene, path, renderer)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        children = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        taken.append(time.process_time() - start + children)
    return statistics.median(taken)


def main() -> None:
    """Draw, print a line for each picture, and write `results/drawing.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="51 x 51 from above alone, nothing written")
    quick, about = parser.parse_args().quick, environment()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, kind, suffix, renderer in CASES[:1] if quick else CASES:
            if renderer == "vtk" and importlib.util.find_spec("pyvista") is None:
                continue
            path = Path(folder) / f"figure.{suffix}"
            seconds(FIGURES.get(kind)(surface(9)), path, renderer, 1)  # imports and fonts
            taken = seconds(FIGURES.get(kind)(surface(number)), path, renderer, REPEATS if number < 100 else 1)
            row = {"side": number, "figure": kind, "file": suffix, "renderer": renderer or LIBRARY[suffix]}
            rows.append({**row, "seconds": round(taken, 3), "bytes": path.stat().st_size})
            print(rows[-1], flush=True)
    if not quick:
        write_results("drawing", {"repeats": REPEATS}, rows, about)


if __name__ == "__main__":
    main()
