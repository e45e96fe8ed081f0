"""MNIST and Fashion-MNIST from IDX files (LeCun et al. 1998; Xiao et al. 2017, arXiv:1708.07747)."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from landscape.data.arrays import image_set
from landscape.data.constants import Given
from landscape.data.download import download_with_torchvision
from landscape.data.imageset import ImageSet
from landscape.errors import LandscapeError, nearest

_PREFIX = {"train": "train", "test": "t10k"}
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


def mnist(
    split: str = "test",
    root: str | None = None,
    download: bool = False,
    mean: Given = None,
    std: Given = None,
) -> ImageSet:
    """MNIST: 60,000 and 10,000 handwritten digits, 28x28.

    Args:
        split: `"train"` or `"test"`.
        root: Folder with the IDX files (.gz or not), or torchvision's root above `MNIST/raw`.
        download: Let torchvision download into `root` what is not there.
        mean: As for `normalisation`.
        std: As for `normalisation`.

    Returns:
        The set.
    """
    return _idx_set("mnist", "MNIST", split, root, download, mean, std)


def fashion_mnist(
    split: str = "test",
    root: str | None = None,
    download: bool = False,
    mean: Given = None,
    std: Given = None,
) -> ImageSet:
    """Fashion-MNIST: 60,000 and 10,000 pictures of clothes, 28x28.

    Args:
        split: `"train"` or `"test"`.
        root: Folder with the IDX files (.gz or not), or torchvision's root above `FashionMNIST/raw`;
            not given, the folder of Debian's package `dataset-fashion-mnist`.
        download: Let torchvision download into `root` what is not there.
        mean: As for `normalisation`.
        std: As for `normalisation`.

    Returns:
        The set.
    """
    return _idx_set("fashion-mnist", "FashionMNIST", split, root, download, mean, std)


def _idx_set(
    name: str, torchvision_name: str, split: str, root: str | None, download: bool, mean: Given, std: Given
) -> ImageSet:
    if split not in _PREFIX:
        raise LandscapeError(f"{name} has no split {split!r}; {nearest(split, _PREFIX)}")
    files = _find(name, torchvision_name, split, root)
    if files is None and download:
        download_with_torchvision(torchvision_name, split, root)
        files = _find(name, torchvision_name, split, root)
    if files is None:
        raise _missing(name, torchvision_name, split, root)
    images, labels = read_idx(files[0]), read_idx(files[1])
    return image_set(images, labels, name=name, split=split, mean=mean, std=std, usual=name)


def _folders(name: str, torchvision_name: str, root: str | None) -> list[Path]:
    if root is not None:
        base = Path(root).expanduser()
        return [base, base / torchvision_name / "raw"]
    return [DEBIAN_FASHION_MNIST] if name == "fashion-mnist" else []


def _find(name: str, torchvision_name: str, split: str, root: str | None) -> tuple[Path, Path] | None:
    """The image and label file of a split, in the first folder that holds both."""
    for folder in _folders(name, torchvision_name, root):
        found = []
        for kind in ("images-idx3", "labels-idx1"):
            stem = f"{_PREFIX[split]}-{kind}-ubyte"
            names = (stem, f"{stem}.gz", stem.replace("-idx", ".idx"), stem.replace("-idx", ".idx") + ".gz")
            found += [folder / file for file in names if (folder / file).is_file()][:1]
        if len(found) == 2:
            return found[0], found[1]
    return None


def _missing(name: str, torchvision_name: str, split: str, root: str | None) -> LandscapeError:
    stem = f"{_PREFIX[split]}-images-idx3-ubyte"
    advice = (
        f"type \"{name}(root='FOLDER')\" with a folder that holds {stem} and its labels (.gz or not), "
        f"or {torchvision_name}/raw with them, or add download=True"
    )
    if root is not None:
        return LandscapeError(f"{name} is not in {root!r}: {advice}")
    debian = "; Debian's package dataset-fashion-mnist would also do" if name == "fashion-mnist" else ""
    return LandscapeError(f"{name} needs the folder with its files: {advice}{debian}")


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes.

    Args:
        path: The file; read through gzip if its name ends in .gz.

    Returns:
        The array, of the shape that the file states.

    Raises:
        LandscapeError: If it is not such a file, or is damaged.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise LandscapeError(f"cannot unpack {str(path)!r}: it is damaged; fetch it again") from error
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise LandscapeError(f"{str(path)!r} is not an IDX file of unsigned bytes")
    rank = content[3]
    start = 4 + 4 * rank
    shape = struct.unpack(f">{rank}I", content[4:start].ljust(4 * rank, b"\x00"))
    if len(content) != start + math.prod(shape):
        raise LandscapeError(
            f"{str(path)!r} is damaged: it states the shape {shape} and holds {max(0, len(content) - start)} values"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
