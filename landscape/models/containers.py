"""Files that hold weights, opened without running anything that is in them unless they are trusted."""

from __future__ import annotations

import argparse
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from landscape.errors import LandscapeError, SurroundingsError, listed

LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
# How files begin that are taken for checkpoints by mistake.
OTHER_KINDS = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
    b"\x1f\x8b": "a gzip archive (unpack it first)",
    b"\x80": "a plain pickle, not written by torch.save",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
}
NUMPY_CODES = "?bhilqBHILQefdgFD"


@dataclass(frozen=True)
class Content:
    """What a file holds, and how it holds it.

    Attributes:
        container: The kind of file, in words.
        value: The object in it, mostly a dict.
        notes: What had to be done to read it.
        mapped: Whether its tensors are parts of the file, mapped into memory: they are read where they are used, and
            take no memory that the system cannot have back. They must not be written to.
    """

    container: str
    value: Any
    notes: tuple[str, ...] = ()
    mapped: bool = False


def open_container(path: Path, *, trust: bool = False) -> Content:
    """Read a file of weights, whichever way it was written.

    Args:
        path: The file.
        trust: Whether code in the file may run: needed for pickled modules and torch.export archives.

    Returns:
        Its content, tensors on the CPU.

    Raises:
        LandscapeError: If there is no such file, it is not a checkpoint or damaged, or it needs trust.
    """
    if path.is_dir():
        raise LandscapeError(f"{path} is a folder; name the checkpoint file in it")
    if not path.is_file():
        beside = sorted(p.name for p in path.parent.glob(f"*{path.suffix or '.pt'}")) if path.parent.is_dir() else []
        hint = f"; the folder has {listed(beside)}" if beside else ""
        raise LandscapeError(f"there is no checkpoint file {str(path)!r}{hint}")
    words, reader = _kind(path)
    try:
        return reader(path, words, trust)
    except LandscapeError:
        raise
    # Damaged bytes raise nearly anything: RuntimeError, EOFError, KeyError, UnicodeDecodeError, MemoryError...
    except Exception as error:
        reason = str(error).strip().partition("\n")[0][:150] or type(error).__name__
        raise LandscapeError(
            f"{path} is truncated or damaged and cannot be read as a {words} ({reason}); copy or download it again"
        ) from error


def _kind(path: Path) -> tuple[str, Callable[[Path, str, bool], Content]]:
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise SurroundingsError(f"{path} cannot be read: {error.strerror}") from error
    if not start:
        raise LandscapeError(f"{path} is not a checkpoint: it is empty")
    if start.startswith(b"PK\x03\x04"):
        return _zip_kind(path)
    if start.startswith(LEGACY_MAGIC):
        return "PyTorch file of the time before 1.6", _read_torch
    if path.suffix == ".safetensors" or start[8:9] == b"{":
        return "safetensors file", _read_safetensors
    if LEGACY_MAGIC.startswith(start):
        raise LandscapeError(f"{path} is truncated: it ends after {len(start)} bytes; copy or download it again")
    kind = next((words for magic, words in OTHER_KINDS.items() if start.startswith(magic)), None)
    text = start.decode("utf-8", errors="replace")
    kind = kind or ("binary data of an unknown kind" if "\0" in text or text.count("\ufffd") > 1 else "text")
    raise LandscapeError(f"{path} is not a checkpoint: it is {kind}; pass what torch.save or safetensors wrote")


def _zip_kind(path: Path) -> tuple[str, Callable[[Path, str, bool], Content]]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise LandscapeError(f"{path} is truncated: its end is missing; copy or download it again") from error
    files = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in files:
        return "TorchScript archive", _read_torchscript
    if files & {"archive_format", "serialized_exported_program.json"}:
        return "torch.export archive", _read_export
    if "data.pkl" in files:
        return "PyTorch file", _read_torch
    kind = "NumPy archive" if all(name.endswith(".npy") for name in names) else "zip archive of something else"
    raise LandscapeError(f"{path} is not a checkpoint: it is a {kind}; pass what torch.save or safetensors wrote")


def _safe_globals() -> list[Any]:
    """What a harmless checkpoint holds beside tensors: parsed arguments, and numbers of NumPy 1 and 2."""
    functions = (np.float64(0).__reduce__()[0], np.zeros(0).__reduce__()[0])
    modules = ("numpy.core.multiarray", "numpy._core.multiarray")
    dtypes = {type(np.dtype(code)) for code in NUMPY_CODES}
    aliases = (_alias(function, module) for function in functions for module in modules)
    wanted = (argparse.Namespace, np.ndarray, np.dtype, *dtypes, *aliases)
    # What the caller has allowed for the whole process must still be so when the context closes.
    allowed = torch.serialization.get_safe_globals()
    return [item for item in wanted if item not in allowed]


def _alias(function: Any, module: str) -> Callable[..., Any]:
    """The same function under the name that another NumPy gives it; torch goes by a function's own name."""

    def alias(*args: Any) -> Any:
        return function(*args)

    alias.__module__, alias.__name__, alias.__qualname__ = module, function.__name__, function.__name__
    return alias


def _read_torch(path: Path, words: str, trust: bool) -> Content:
    with torch.serialization.safe_globals(_safe_globals()):
        try:
            mapped = _is_stored(path)
            return Content(words, _load(path, weights_only=True, mmap=mapped), mapped=mapped)
        except pickle.UnpicklingError as error:
            blocking = _blocking(path, error)
            if not blocking:
                raise
    if not trust:
        raise LandscapeError(
            f"{path} holds more than weights, and reading it may run code ({listed(blocking)}): "
            "if you trust where it comes from add --trust, or write the weights alone with "
            "torch.save(model.state_dict(), ...)"
        )
    try:
        value = _load(path, weights_only=False, mmap=False)  # a pickled module is to be moved
    except (AttributeError, ImportError) as error:
        raise LandscapeError(
            f"{path} needs Python code that is not here ({error}): run where its modules can be imported, "
            "or write the weights alone with torch.save(model.state_dict(), ...)"
        ) from error
    return Content(words, value, (f"unpickled with the code of {listed(blocking)}, as --trust allows",))


def _is_stored(path: Path) -> bool:
    """Whether a file is an archive whose entries lie in it as they are; torch would map compressed ones, too."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())


def _load(path: Path, *, weights_only: bool, mmap: bool) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
        return torch.load(path, map_location="cpu", weights_only=weights_only, mmap=mmap)


def _blocking(path: Path, error: Exception) -> list[str]:
    """What the restricted unpickler refused; nothing if the file is merely damaged."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except ValueError:  # a file of the time before 1.6
        names = []
    found = re.findall(r"(?:GLOBAL|class|type) ([\w.]+\.\w+)", str(error))
    unusual = ["an unusual pickle protocol"] if "Unsupported operand" in str(error) and zipfile.is_zipfile(path) else []
    return sorted(names) or list(dict.fromkeys(found)) or unusual


def _read_safetensors(path: Path, words: str, trust: bool) -> Content:
    from safetensors import safe_open

    with safe_open(path, framework="pt", device="cpu") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        return Content(words, {"state_dict": tensors, **(file.metadata() or {})}, mapped=True)


def _read_torchscript(path: Path, words: str, trust: bool) -> Content:
    # The reader that torch.jit loads with: zipfile can be made to see other entries than that.
    reader = torch._C.PyTorchFileReader(str(path))
    names = reader.get_all_records()
    if len(set(names)) < len(names):
        raise LandscapeError(f"{path} holds two entries of one name, which torch never writes; pass the original file")
    # The one function that loading an archive calls.
    if not trust and any(b"__setstate__" in reader.get_record(name) for name in names):
        raise LandscapeError(
            f"{path} runs code of its own while it is read (__setstate__): "
            "if you trust where it comes from add --trust, or save its state dict"
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit", FutureWarning)
        warnings.filterwarnings("ignore", r".*torch\.jit", DeprecationWarning)
        load: Any = torch.jit.load
        state = dict(load(str(path), map_location="cpu").state_dict())
    return Content(words, {"state_dict": state}, ("the weights of a TorchScript archive; its code is not used",))


def _read_export(path: Path, words: str, trust: bool) -> Content:
    if not trust:
        raise LandscapeError(
            f"{path} is a torch.export archive, and reading it may run code: "
            "if you trust where it comes from add --trust, or save its state dict"
        )
    state = dict(torch.export.load(path).state_dict)
    return Content(words, {"state_dict": state}, ("the weights of a torch.export archive; its graph is not used",))
