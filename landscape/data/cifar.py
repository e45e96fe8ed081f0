"""CIFAR-10 and CIFAR-100 from the files of their Python version (Krizhevsky 2009)."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landscape.data.arrays import image_set
from landscape.data.constants import Given
from landscape.data.download import download_with_torchvision
from landscape.data.imageset import ImageSet
from landscape.errors import LandscapeError, nearest

_CIFAR10_FILES: dict[str, tuple[str, ...]] = {
    "train": tuple(f"data_batch_{i}" for i in range(1, 6)),
    "test": ("test_batch",),
}
_CIFAR100_FILES: dict[str, tuple[str, ...]] = {"train": ("train",), "test": ("test",)}


def cifar10(
    split: str = "test",
    root: str | None = None,
    download: bool = False,
    mean: Given = None,
    std: Given = None,
) -> ImageSet:
    """CIFAR-10: 50,000 and 10,000 colour photographs, 32x32.

    Args:
        split: `"train"` or `"test"`.
        root: The folder `cifar-10-batches-py`, or the one above it, as torchvision has it.
        download: Let torchvision download into `root` what is not there.
        mean: As for `normalisation`.
        std: As for `normalisation`.

    Returns:
        The set.
    """
    folder = _folder("cifar10", "CIFAR10", "cifar-10-batches-py", _CIFAR10_FILES, split, root, download)
    images, labels = _read(folder, _CIFAR10_FILES[split], "labels")
    return image_set(images, labels, name="cifar10", split=split, mean=mean, std=std, usual="cifar10")


def cifar100(
    split: str = "test",
    root: str | None = None,
    download: bool = False,
    mean: Given = None,
    std: Given = None,
) -> ImageSet:
    """CIFAR-100 with its 100 fine labels: 50,000 and 10,000 colour photographs, 32x32.

    Args:
        split: `"train"` or `"test"`.
        root: The folder `cifar-100-python`, or the one above it, as torchvision has it.
        download: Let torchvision download into `root` what is not there.
        mean: As for `normalisation`.
        std: As for `normalisation`.

    Returns:
        The set.
    """
    folder = _folder("cifar100", "CIFAR100", "cifar-100-python", _CIFAR100_FILES, split, root, download)
    images, labels = _read(folder, _CIFAR100_FILES[split], "fine_labels")
    return image_set(images, labels, name="cifar100", split=split, mean=mean, std=std, usual="cifar100")


def _folder(
    name: str,
    torchvision_name: str,
    folder_name: str,
    files: dict[str, tuple[str, ...]],
    split: str,
    root: str | None,
    download: bool,
) -> Path:
    """The folder that holds all files of a split."""
    if split not in files:
        raise LandscapeError(f"{name} has no split {split!r}; {nearest(split, files)}")
    for attempt in ("look", "download") if download else ("look",):
        if attempt == "download":
            download_with_torchvision(torchvision_name, split, root)
        base = Path(root or "").expanduser()
        for folder in (base / folder_name, base) if root is not None else ():
            if all((folder / file).is_file() for file in files[split]):
                return folder
    where = "needs the folder with its files" if root is None else f"is not in {root!r}"
    raise LandscapeError(
        f"{name} {where}: type \"{name}(root='FOLDER')\" with the folder {folder_name} (which holds "
        f"{files[split][0]}) or the one above it, or add download=True"
    )


def _read(folder: Path, files: tuple[str, ...], label_key: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    parts = [_unpickled(folder / file) for file in files]
    try:
        rows = np.concatenate([np.asarray(part["data"], dtype=np.uint8) for part in parts])
        labels = np.concatenate([np.asarray(part[label_key], dtype=np.int64) for part in parts])
        return rows.reshape(-1, 3, 32, 32), labels
    except (KeyError, TypeError, ValueError) as error:
        raise LandscapeError(
            f"the files in {str(folder)!r} are not those of CIFAR's Python version: each must hold 'data' "
            f"with rows of 3072 bytes and {label_key!r}"
        ) from error


def _unpickled(path: Path) -> dict[str, Any]:
    """Read a pickle that holds nothing but plain values and arrays; its texts are bytes of Python 2."""
    try:
        content = _ArrayUnpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except LandscapeError:
        raise
    except Exception as error:  # a damaged pickle may raise nearly anything
        raise LandscapeError(f"cannot read {str(path)!r}: it is damaged, or not a file of CIFAR") from error
    if not isinstance(content, dict):
        raise LandscapeError(f"{str(path)!r} holds a {type(content).__name__}, not the dictionary of a CIFAR file")
    return {key.decode("latin1") if isinstance(key, bytes) else str(key): value for key, value in content.items()}


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler that can make arrays and nothing else, so that no code of the file runs."""

    def find_class(self, module: str, name: str) -> Any:
        reconstruct = np.empty(0).__reduce__()[0]
        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): reconstruct,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("_codecs", "encode"): _encode,
        }
        if (module, name) not in allowed:
            raise LandscapeError(
                f"the CIFAR files hold arrays and lists, but this one asks for {module}.{name}: refused"
            )
        return allowed[module, name]


def _encode(text: str, encoding: str) -> bytes:
    """What Python 3 writes into protocol 2 for bytes."""
    return text.encode(encoding)
