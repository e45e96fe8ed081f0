"""The main job on embedded inputs: LeNet on Fashion-MNIST with and without BatchNorm, from checkpoint to page."""

from __future__ import annotations

import importlib.resources
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from landscape.api import compute, report
from landscape.rendering import FIGURES, save
from landscape.storage import check_writable
from landscape.types import Surface

TITLE = "LeNet on Fashion-MNIST with and without BatchNorm"
NETS = {"lenet_batch": "LeNet with BatchNorm", "lenet_none": "LeNet without normalization"}


@dataclass(frozen=True)
class Demonstration:
    """What the demonstration made.

    Attributes:
        folder: Where it is.
        surfaces: The two surfaces.
        pictures: The figures.
        page: The report that shows both side by side.
        commands: The plain commands that do the same.
    """

    folder: Path
    surfaces: tuple[Surface, ...]
    pictures: tuple[Path, ...]
    page: Path
    commands: tuple[str, ...]


def demonstrate(
    folder: str | Path = "landscape-demo",
    points: int = 21,
    samples: str = "1000",
    overwrite: bool = False,
    say: Callable[[str], None] = print,
    progress: bool = True,
) -> Demonstration:
    """Compute the surfaces of the two embedded checkpoints, and draw them one by one and side by side.

    Args:
        folder: Where everything goes; runs in it that are not complete go on.
        points: Points along each axis, over [-1, 1].
        samples: How many of the 2,000 embedded test images.
        overwrite: Whether to replace runs with other settings.
        say: Told what is being done.
        progress: Whether the runs tell how far they are.

    Returns:
        What was made.
    """
    folder = Path(folder)
    check_writable(folder / "index.html")
    grid = f"-1:1:{points}"
    commands, surfaces = [], []
    for name, title in NETS.items():
        checkpoint, out = _copied(name, folder), folder / f"{name}.h5"
        say(f"{title}: {points} x {points} points, {samples} test images")
        words = ("compute", "--ckpt", checkpoint, "--samples", samples, "--x", grid, "--y", grid, "--out", out)
        command = _command(*words)
        surface = compute(
            ckpt=checkpoint,
            samples=samples,
            x=grid,
            y=grid,
            out=out,
            overwrite=overwrite,
            command=command,
            progress=progress,
        )
        surfaces.append(surface)
        commands.append(command)
    say("drawing")
    pictures = [
        _drawn([surface], kind, folder / f"{name}_{kind}.png")
        for name, surface in zip(NETS, surfaces, strict=True)
        for kind in ("2d", "3d")
    ]
    pictures += [_drawn(surfaces, kind, folder / f"lenet_pair_{kind}.png") for kind in ("2d", "3d")]
    commands += [_command("plot", folder / f"{name}.h5", f"--{kind}") for name in NETS for kind in ("2d", "3d")]
    commands += [_command("check", folder / f"{name}.h5") for name in NETS]
    files = [folder / f"{name}.h5" for name in NETS]
    commands.append(_command("compare", *files, "-o", folder / "compare.png"))
    names = [word for title in NETS.values() for word in ("--name", title)]
    commands.append(_command("report", *files, *names, "--title", TITLE, "-o", folder / "index.html"))
    page = folder / "index.html"
    report(*surfaces, out=page, names=list(NETS.values()), title=TITLE, command=commands[-1])
    return Demonstration(folder, tuple(surfaces), tuple(pictures), page, tuple(commands))


def _command(*words: object) -> str:
    return shlex.join(["landscape", *map(str, words)])


def _copied(name: str, folder: Path) -> Path:
    """The embedded checkpoint, beside the results, so that the commands are short and can be taken on."""
    target = folder / f"{name}.pt"
    target.write_bytes((importlib.resources.files("landscape") / "assets" / target.name).read_bytes())
    return target


def _drawn(surfaces: Sequence[Surface], kind: str, path: Path) -> Path:
    return save(FIGURES.get(kind)(surfaces), path)
