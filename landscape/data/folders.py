"""Image sets from folders: one subfolder for each class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landscape.data.arrays import image_set
from landscape.data.constants import Given
from landscape.data.imageset import ImageSet
from landscape.data.rows import Rows
from landscape.data.samples import NoSplitsError
from landscape.errors import LandscapeError, listed

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".webp", ".tif", ".tiff", ".gif")
MOST_THREADS = 8
_SPLITS = ("train", "test", "val", "valid", "validation")
Size = int | Sequence[int] | None


def class_folder(
    path: Path | str,
    split: str = "test",
    mean: Given = None,
    std: Given = None,
    size: Size = None,
    crop: int | None = None,
    grey: bool = False,
) -> ImageSet:
    """Read `path/CLASS/*.png`, or `path/SPLIT/CLASS/*.png`; classes count from 0 in sorted order.

    Args:
        path: The folder; without folders for splits inside, it stands for the split `test`.
        split: Which split to read.
        mean: As for `normalisation`.
        std: As for `normalisation`.
        size: (H, W) to resize to exactly; or the length of the shorter side, followed by cutting out the
            middle, as is usual for ImageNet. Resizing is bilinear.
        crop: Side of the square that is cut out of the middle; `size` itself where only that is given.
        grey: Read as one channel of brightness instead of red, green and blue.

    Returns:
        The set, uint8.

    Raises:
        LandscapeError: If there are no class folders or images, or the images differ in size.
    """
    root = Path(path).expanduser()
    folder, classes = _classes(root, split)
    files = [(file, label) for label, name in enumerate(classes) for file in _files(folder / name)]
    if not files:
        raise LandscapeError(f"the class folders in {str(folder)!r} hold no images ({', '.join(SUFFIXES)})")
    height_width = _height_width(size)
    crop = height_width if crop is None and isinstance(height_width, int) else crop
    images = Pictures([file for file, _ in files], height_width, crop, grey)
    notes = [f"{len(classes)} classes, in this order: {listed(classes)}"]
    if size is not None or crop is not None:
        notes.append(f"images are resized to {size} and cut to {images.shape[2]}x{images.shape[3]}")
    labels = np.array([label for _, label in files], dtype=np.int64)
    return image_set(images, labels, name=root.resolve().name, split=split, mean=mean, std=std, notes=tuple(notes))


class Pictures(Rows):
    """Image files that are decoded when they are asked for, several at a time.

    Args:
        files: The files; the first one says what shape they all have.
        size: As for `class_folder`, checked.
        crop: Likewise.
        grey: Likewise.
    """

    def __init__(self, files: Sequence[Path], size: Any, crop: int | None, grey: bool) -> None:
        self._files, self._how = files, (size, crop, grey)
        self.shape = (len(files), *_decoded(files[0], *self._how).shape)
        self.dtype = np.dtype(np.uint8)

    def read(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Decode images.

        Raises:
            LandscapeError: If one cannot be read, or is of another size than the first.
        """
        found = np.empty((len(index), *self.shape[1:]), self.dtype)
        files = [self._files[number] for number in index]
        with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS)) as pool:
            for place, image in enumerate(pool.map(lambda file: _decoded(file, *self._how), files)):
                if image.shape != self.shape[1:]:
                    raise LandscapeError(_another_size(self._files[0], self.shape[1:], files[place], image.shape))
                found[place] = image
        return found


def _subfolders(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES) if folder.is_dir() else []


def _classes(root: Path, split: str) -> tuple[Path, list[str]]:
    """The folder of the split, and all classes of the set: a class may lack images in one split."""
    inside = _subfolders(root)
    splits = [name for name in inside if name in (*_SPLITS, split) and _subfolders(root / name)]
    if split in splits:
        return root / split, sorted({name for part in splits for name in _subfolders(root / part)})
    if splits or split != "test":
        have = f"has {listed(splits)}" if splits else "is one split, taken as 'test'"
        error = LandscapeError if splits else NoSplitsError
        raise error(f"{str(root)!r} has no folder {split!r} with class folders inside: it {have}")
    if not inside:
        raise LandscapeError(
            f"{str(root)!r} has no class folders: images are expected in {root.name}/CLASS/ or {root.name}/test/CLASS/"
        )
    return root, inside


def _height_width(size: Any) -> Any:
    """The size as the shorter side, as (H, W), or None."""
    pair = isinstance(size, (tuple, list)) and len(size) == 2
    if size is None or all(isinstance(n, int) and n > 0 for n in (size if pair else (size,))):
        return tuple(size) if pair else size
    raise LandscapeError(f"size= takes one positive number or (height, width), not {size!r}")


def _decoded(file: Path, size: Any, crop: int | None, grey: bool) -> NDArray[np.uint8]:
    """One image, shape (C, H, W)."""
    from PIL import Image

    try:
        with Image.open(file) as opened:
            image = opened.convert("L" if grey else "RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise LandscapeError(f"cannot read the image {str(file)!r}: it is damaged or of another kind") from error
    if size is not None:
        shorter = min(image.size)
        width, height = (
            (size[1], size[0])
            if isinstance(size, tuple)
            else (image.width * size // shorter, image.height * size // shorter)
        )
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    if crop is not None:
        if not isinstance(crop, int) or not 0 < crop <= min(image.size):
            raise LandscapeError(
                f"crop= takes a positive number of at most {min(image.size)}, the size of {file.name}, not {crop!r}"
            )
        left, top = round((image.width - crop) / 2), round((image.height - crop) / 2)
        image = image.crop((left, top, left + crop, top + crop))
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if grey else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _another_size(first: Path, shape: tuple[int, ...], other: Path, odd: tuple[int, ...]) -> str:
    (_, height, width), (_, other_height, other_width) = shape, odd
    return (
        f"all images must have one size, but {first.name} is {height}x{width} and {other.name} is "
        f"{other_height}x{other_width}: pass size=, for example size={min(height, width)}"
    )
