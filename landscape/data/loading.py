"""From what a user types for `--data`, or gives from Python, to a set of examples."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from landscape.data.arrays import image_set, npz
from landscape.data.batches import Batches
from landscape.data.folders import class_folder
from landscape.data.imageset import ImageSet
from landscape.data.indexed import Indexed
from landscape.data.loaders import open_loader
from landscape.data.rows import Mapped
from landscape.data.samples import NoSplitsError
from landscape.errors import LandscapeError, listed, nearest
from landscape.registry import Registry, Spec, call

Opened = ImageSet | Batches | Indexed

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


def parsed(data: Any) -> Spec | None:
    """The spec that data are given as, or None for anything else."""
    return Spec.parse(data) if isinstance(data, str) else data if isinstance(data, Spec) else None


def identity_of(data: Any) -> str:
    """How data are named in a job: a spec without its folders, or `"object"`."""
    spec = parsed(data)
    return spec.identity() if spec else "object"


def open_split(data: Any, split: str, low_memory: bool = False) -> Opened:
    """Open all the examples of a split, of a spec or of what a caller holds.

    Args:
        data: Spec of the data, or a Dataset, DataLoader, iterable of batches, pair (inputs, targets) of arrays,
            ImageSet or Batches, or a mapping from splits to these.
        split: Which part of it.
        low_memory: Whether to keep nothing in memory that can be read again.

    Returns:
        An ImageSet where the raw images are known, else what a loader gives. What lies in files, or can be read by its
        index, is not read yet.

    Raises:
        LandscapeError: If there are no such data, or they cannot be read.
    """
    if spec := parsed(data):
        return open_data(spec, split, low_memory)
    source = data.get(split) if isinstance(data, Mapping) else data
    if source is None:
        raise LandscapeError(f"the data have no {split!r} split; there are {listed(map(str, data))}")
    return source if isinstance(source, Opened) else open_loader(source, split, low_memory)


def load_data(spec: Spec | str, split: str = "test") -> ImageSet | Batches:
    """Load a split of the data that a spec names, into memory.

    Args:
        spec: As for `open_data`.
        split: Which part of it.

    Returns:
        An ImageSet where the raw images are known, Batches otherwise.

    Raises:
        LandscapeError: If there are no such data, or they cannot be read or augmented.
    """
    opened = open_data(spec, split)
    return opened.resident() if isinstance(opened, ImageSet) else settled(opened)


def repeatable(data: Any, split: str) -> Any:
    """The same data, such that they can be loaded twice.

    Args:
        data: What data may be: a spec, or what a caller holds.
        split: Name of the split that a single loader stands for.

    Returns:
        The data, those that can be walked only once in memory.

    Raises:
        LandscapeError: If these are too much for it.
    """
    if isinstance(data, Mapping):
        return {name: repeatable(source, str(name)) for name, source in data.items()}
    return open_loader(data, split) if isinstance(data, Iterator) else data


def settled(opened: Opened, low_memory: bool = False) -> ImageSet | Batches:
    """Read examples into memory, if they belong there.

    Args:
        opened: The examples.
        low_memory: Whether to keep nothing in memory that can be read again.

    Returns:
        The same examples; those that are read anew whenever they are needed say so in a note.

    Raises:
        LandscapeError: If they cannot be read.
    """
    if isinstance(opened, ImageSet):
        return opened.settled(low_memory)
    return opened.batches(low_memory) if isinstance(opened, Indexed) else opened


def open_data(spec: Spec | str, split: str = "test", low_memory: bool = False) -> Opened:
    """Open a split of the data that a spec names.

    Args:
        spec: A name of `DATASETS` (`"cifar10(root='data')"`), a .npz file (`"set.npz(mean='imagenet')"`),
            a folder with a subfolder for each class, or an import path of a function
            (`"data.py:loader"`, `"package.module:loader"`), which is called with `split=` if it takes that and
            returns a Dataset, an iterable of (input, target) batches, an ImageSet, Batches or
            (images, labels) arrays. Images of any of these take `augment='crop4-flip'`, unless the function
            has an `augment` of its own.
        split: Which part of it.
        low_memory: Whether to keep nothing in memory that can be read again.

    Returns:
        An ImageSet where the raw images are known, else what a loader gives.

    Raises:
        LandscapeError: If there are no such data, or they cannot be read or augmented.
    """
    spec = Spec.parse(spec) if isinstance(spec, str) else spec
    settings = {key: value for key, value in spec.kwargs.items() if key != "augment"}
    path = Path(spec.target).expanduser()
    if spec.target not in DATASETS.names():
        if path.suffix.lower() == ".npz":
            return _augmented(call(f"dataset {spec.target}", npz, path, split, **settings), spec)
        if path.is_dir():
            return _augmented(call(f"dataset {spec.target}", class_folder, path, split, **settings), spec)
        if ":" not in spec.target or path.exists():
            raise LandscapeError(_unknown(spec.target, path))
    factory = _factory(spec)
    if "augment" in _parameters(factory):
        return _called(factory, spec, split, low_memory)
    return _augmented(_called(factory, Spec(spec.target, settings), split, low_memory), spec)


def _augmented(loaded: Opened, spec: Spec) -> Opened:
    """The examples with the augmentation that the spec asks for."""
    augment = spec.kwargs.get("augment", "none")
    if augment == "none":
        return loaded
    if not isinstance(loaded, ImageSet):
        raise LandscapeError(
            f"augment={augment!r} needs raw images, but {spec.target} gives batches: augment in that function, or let "
            "it return (images, labels) arrays with uint8 images"
        )
    return dataclasses.replace(loaded, augment=str(augment))


def _unknown(target: str, path: Path) -> str:
    forms = "a data set is a known name, a .npz file, a folder with class folders, or 'file.py:loader'"
    if path.is_file():
        return f"cannot read data from {target!r}: {forms}"
    if path.suffix or len(path.parts) > 1:
        return f"there is no file or folder {target!r}: {forms}"
    return f"unknown dataset {target!r}; {nearest(target, DATASETS.names())}; {forms}"


def _factory(spec: Spec) -> Any:
    factory = DATASETS.get(spec.target)
    if not callable(factory):
        raise LandscapeError(
            f"{spec.target!r} is a {type(factory).__name__}, not a function that returns data; "
            "write 'def loader(split): return ...'"
        )
    return factory


def _called(factory: Any, spec: Spec, split: str, low_memory: bool) -> Opened:
    """Call a factory, with the split if it takes one, and turn what it returns into examples."""
    parameters = _parameters(factory)
    takes_split = "split" in parameters or inspect.Parameter.VAR_KEYWORD in parameters.values()
    if not takes_split and split != "test":
        raise NoSplitsError(
            f"{spec.target!r} takes no split=, so it cannot give the {split!r} split: write 'def loader(split): ...'"
        )
    given = {"split": split} if takes_split else {}

    def again() -> Any:
        return call(f"dataset {spec.target}", factory, **{**given, **spec.kwargs})

    result = again()
    if isinstance(result, Opened):
        return result
    if isinstance(result, tuple) and len(result) == 2 and all(hasattr(part, "__array__") for part in result):
        return _from_arrays(*result, name=Path(spec.target).name, split=split)
    return dataclasses.replace(open_loader(result, split, low_memory, again), name=Path(spec.target).name)


def _parameters(factory: Any) -> dict[str, Any]:
    """The kind of each of the parameters; none for a callable without a readable signature."""
    try:
        return {name: parameter.kind for name, parameter in inspect.signature(factory).parameters.items()}
    except ValueError:
        return {}


def _from_arrays(inputs: Any, targets: Any, name: str, split: str) -> Opened:
    images = Mapped(inputs) if isinstance(inputs, np.memmap) else np.asarray(inputs)
    if images.dtype == np.uint8 and images.ndim in (3, 4):
        return image_set(images, np.asarray(targets), name=name, split=split)
    return dataclasses.replace(open_loader((inputs, targets), split), name=name)
