"""From what a user types for `--data` to a set of examples."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import numpy as np

from landscape.data.arrays import image_set, npz
from landscape.data.batches import Batches, materialise
from landscape.data.folders import class_folder
from landscape.data.imageset import ImageSet
from landscape.errors import LandscapeError, nearest
from landscape.registry import Registry, Spec, call

DATASETS = Registry(
    "dataset",
    {
        "fashion-mnist-mini": "landscape.data.embedded:fashion_mnist_mini",
        "fashion-mnist": "landscape.data.idx:fashion_mnist",
        "mnist": "landscape.data.idx:mnist",
        "cifar10": "landscape.data.cifar:cifar10",
        "cifar100": "landscape.data.cifar:cifar100",
    },
)


def load_data(spec: Spec | str, split: str = "test") -> ImageSet | Batches:
    """Load a split of the data that a spec names.

    Args:
        spec: A name of `DATASETS` (`"cifar10(root='data')"`), a .npz file (`"set.npz(mean='imagenet')"`),
            a folder with a subfolder for each class, or an import path of a function
            (`"data.py:loader"`, `"package.module:loader"`), which is called with `split=` if it takes that and
            returns a Dataset, an iterable of (input, target) batches, an ImageSet, Batches or
            (images, labels) arrays.
        split: Which part of it.

    Returns:
        An ImageSet where the raw images are known, Batches otherwise.

    Raises:
        LandscapeError: If there are no such data, or they cannot be read.
    """
    spec = Spec.parse(spec) if isinstance(spec, str) else spec
    path = Path(spec.target).expanduser()
    if spec.target not in DATASETS.names():
        if path.suffix.lower() == ".npz":
            return _images(call(f"dataset {spec.target}", npz, path, split, **spec.kwargs))
        if path.is_dir():
            return _images(call(f"dataset {spec.target}", class_folder, path, split, **spec.kwargs))
        if ":" not in spec.target or path.exists():
            raise LandscapeError(_unknown(spec.target, path))
    return _called(spec, split)


def _images(loaded: Any) -> ImageSet:
    assert isinstance(loaded, ImageSet)
    return loaded


def _unknown(target: str, path: Path) -> str:
    forms = "a data set is a known name, a .npz file, a folder with class folders, or 'file.py:loader'"
    if path.is_file():
        return f"cannot read data from {target!r}: {forms}"
    if path.suffix or len(path.parts) > 1:
        return f"there is no file or folder {target!r}: {forms}"
    return f"unknown dataset {target!r}; {nearest(target, DATASETS.names())}; {forms}"


def _called(spec: Spec, split: str) -> ImageSet | Batches:
    """Call a factory, with the split if it takes one, and turn what it returns into examples."""
    factory = DATASETS.get(spec.target)
    if not callable(factory):
        raise LandscapeError(
            f"{spec.target!r} is a {type(factory).__name__}, not a function that returns data; "
            "write 'def loader(split): return ...'"
        )
    takes_split = _takes_split(factory)
    if not takes_split and split != "test":
        raise LandscapeError(
            f"{spec.target!r} takes no split=, so it cannot give the {split!r} split: write 'def loader(split): ...'"
        )
    given = {"split": split} if takes_split else {}
    result = call(f"dataset {spec.target}", factory, **{**given, **spec.kwargs})
    if isinstance(result, (ImageSet, Batches)):
        return result
    if isinstance(result, tuple) and len(result) == 2 and all(hasattr(part, "__array__") for part in result):
        return _from_arrays(*result, name=Path(spec.target).name, split=split)
    return dataclasses.replace(materialise(result, split), name=Path(spec.target).name)


def _takes_split(factory: Any) -> bool:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except ValueError:  # a callable without a readable signature
        return False
    return any(p.name == "split" or p.kind == p.VAR_KEYWORD for p in parameters)


def _from_arrays(inputs: Any, targets: Any, name: str, split: str) -> ImageSet | Batches:
    images = np.asarray(inputs)
    if images.dtype == np.uint8 and images.ndim in (3, 4):
        return image_set(images, np.asarray(targets), name=name, split=split)
    return dataclasses.replace(materialise([(inputs, targets)], split), name=name)
