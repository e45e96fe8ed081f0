"""Films as files: .gif through pillow, .mp4 through ffmpeg, and a page that plays."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from landscape.errors import LandscapeError, SurroundingsError, listed
from landscape.rendering.film import Film
from landscape.rendering.matplotlib import encode

Pixels = NDArray[np.uint8]
SUFFIXES = ("mp4", "gif", "html")
COLOURS, EXACT = 256, 64  # a .gif's colours, and how many of the most frequent ones are sure to be among them


def check_film_path(path: str | Path) -> str:
    """Tell whether a film can be written under this name, before anything is drawn.

    Args:
        path: Where the film is to go.

    Returns:
        Its suffix.

    Raises:
        LandscapeError: If the suffix is none of a film, or an .mp4 is asked for and there is no ffmpeg.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in SUFFIXES:
        raise LandscapeError(f"a film's name must end in one of {listed(SUFFIXES)}, and {Path(path).name!r} does not")
    if suffix == "mp4" and shutil.which("ffmpeg") is None:
        raise LandscapeError(
            "an .mp4 is written by ffmpeg, which this machine lacks: install it (apt install ffmpeg, brew install "
            "ffmpeg, conda install ffmpeg), or name a .gif or .html"
        )
    return suffix


def save_film(film: Film, path: str | Path, told: Callable[[int], None] = lambda done: None) -> Path:
    """Write a film; the suffix says how.

    Args:
        film: The film.
        path: A file name ending in mp4, gif or html.
        told: Told how many frames are drawn.

    Returns:
        The path.

    Raises:
        SurroundingsError: If the file cannot be written.
    """
    path, suffix = Path(path), check_film_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix == "html":
            from landscape.rendering.film.page import film_page

            path.write_text(film_page(film), encoding="utf-8")
        else:
            (_write_gif if suffix == "gif" else _write_mp4)(_told(pictures(film), told), film.fps, path)
    except OSError as error:
        raise SurroundingsError(f"cannot write the film {str(path)!r}: {error.strerror or error}") from error
    return path


def pictures(film: Film) -> Iterator[Pixels]:
    """Draw the frames, all of one size.

    Args:
        film: The film.

    Yields:
        Pixels, shape (height, width, 3).
    """
    for frame in film.frames:
        scene = film.picture(frame)
        with Image.open(io.BytesIO(encode(scene, "png"))) as picture:
            page = Image.new("RGBA", picture.size, scene.style.page)
            page.alpha_composite(picture.convert("RGBA"))
            yield np.asarray(page.convert("RGB"))


def _told(frames: Iterator[Pixels], told: Callable[[int], None]) -> Iterator[Pixels]:
    for number, frame in enumerate(frames, start=1):
        told(number)
        yield frame


def _write_gif(frames: Iterator[Pixels], fps: float, path: Path) -> None:
    """One set of 256 colours for all frames, so that a value keeps its colour; no dither, so that nothing flickers."""
    drawn = list(frames)
    palette = _palette(drawn)
    first, *rest = (Image.fromarray(one).quantize(palette=palette, dither=Image.Dither.NONE) for one in drawn)
    more: dict[str, Any] = {"duration": round(1000 / fps), "loop": 0, "optimize": False}
    first.save(path, format="GIF", save_all=True, append_images=rest, **more)


def _palette(frames: list[Pixels]) -> Image.Image:
    """The most frequent colours as they are, then one by one those far from all, however rare."""
    pixels = np.concatenate([frame.reshape(-1, 3) for frame in frames]).astype(np.uint32)
    codes, counts = np.unique(pixels @ np.array([65536, 256, 1], dtype=np.uint32), return_counts=True)
    found = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1).astype(np.float64)
    table = found[np.argsort(counts, kind="stable")[::-1][: COLOURS if len(found) <= COLOURS else EXACT]]
    weight = counts**0.25
    off = np.min([weight * ((found - one) ** 2).sum(axis=1) for one in table], axis=0)
    while len(table) < COLOURS and off.max() > 0:
        table = np.vstack([table, found[off.argmax()]])
        off = np.minimum(off, weight * ((found - table[-1]) ** 2).sum(axis=1))
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.pad(table, ((0, COLOURS - len(table)), (0, 0)), mode="edge").astype(np.uint8).tobytes())
    return palette


def _write_mp4(frames: Iterator[Pixels], fps: float, path: Path) -> None:
    """Frames go to ffmpeg as they are drawn; its own choice of codec for .mp4 is H.264 wherever it has that."""
    first = _even(next(frames))
    size = f"{first.shape[1]}x{first.shape[0]}"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", f"{fps:g}", "-i", "-"]
    target = ["-pix_fmt", "yuv420p", "-movflags", "+faststart", str(path.absolute())]
    command = ["ffmpeg", "-y", "-loglevel", "error", *source, *target]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stderr is not None
        try:
            running.stdin.write(first.tobytes())
            for frame in frames:
                running.stdin.write(_even(frame).tobytes())
            running.stdin.close()
        except BrokenPipeError:
            pass  # ffmpeg says why
        said = running.stderr.read().decode(errors="replace").strip()
    if running.returncode:
        raise SurroundingsError(
            f"ffmpeg could not write {str(path)!r}: {said.splitlines()[-1] if said else 'no reason'}"
        )


def _even(frame: Pixels) -> Pixels:
    """H.264 in the colours that every player knows takes even sizes: the last row and column are doubled if needed."""
    return np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
