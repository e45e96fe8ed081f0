"""Open and replace HDF5 files so that a failure is one sentence and never costs what was there."""

from __future__ import annotations

import errno
import glob
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py

from landscape.errors import LandscapeError, SurroundingsError

LEFTOVER_AGE = 86_400.0  # seconds: a save that is going on is much younger


@contextmanager
def opened(path: str | Path) -> Iterator[h5py.File]:
    """Open a file for reading.

    Args:
        path: The file.

    Yields:
        The open file.

    Raises:
        LandscapeError: If it is missing, a folder, or no complete HDF5 file.
    """
    path = Path(path)
    if not path.exists():
        raise LandscapeError(f"there is no file {str(path)!r}")
    if path.is_dir():
        raise LandscapeError(f"{str(path)!r} is a folder, not a file")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise LandscapeError(f"cannot read {str(path)!r}: {_reason(error)}") from error
    with file:
        yield file


def _reason(error: OSError) -> str:
    if "truncated" in str(error):
        return "it is truncated: copy it again"
    return (os.strerror(error.errno) if error.errno else "it is not an HDF5 file") + f" ({str(error)[:80]})"


def format_of(file: h5py.File) -> str:
    """What a file says it is.

    Args:
        file: The open file.

    Returns:
        Its attribute `format`; nothing where it has none, or one that is no text.
    """
    with suppress(OSError, TypeError):  # HDF5 has types that NumPy lacks
        said = file.attrs.get("format")
        return said if isinstance(said, str) else ""
    return ""


def check_writable(path: str | Path) -> None:
    """Make the folder of a file, and try to write into it, before the long computation.

    What a killed run left half written of this file is removed once it is a day old.

    Args:
        path: Where a file will be.

    Raises:
        LandscapeError: If a folder stands in its place.
        SurroundingsError: If the folder cannot be made or written.
    """
    path = Path(path)
    if path.is_dir():
        raise LandscapeError(f"{str(path)!r} is a folder: give a file with --out, for example {str(path / 'run.h5')!r}")
    with _failing_to_write(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        os.unlink(temporary)
    _remove_leftovers(path)


def _remove_leftovers(path: Path) -> None:
    for part in path.parent.glob(f".{glob.escape(path.name)}.????????.part"):  # as mkstemp names them
        with suppress(OSError):  # it may be another user's, or gone by now
            if time.time() - part.stat().st_mtime > LEFTOVER_AGE:
                part.unlink()


def make_folder(path: str | Path) -> None:
    """Make the folder of a file that is to be written.

    Args:
        path: The file.

    Raises:
        SurroundingsError: If it cannot be made.
    """
    with _failing_to_write(Path(path)):
        Path(path).parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def replacing(path: str | Path) -> Iterator[h5py.File]:
    """Write a whole HDF5 file beside the old one, then put it in its place: a reader sees the one or the other.

    Args:
        path: Where the file will be; its folder exists.

    Yields:
        The open new file.
    """
    with replaced(path) as temporary, h5py.File(temporary, "w") as file:
        yield file


@contextmanager
def replaced(path: str | Path) -> Iterator[Path]:
    """Put a file in its place once it is written as a whole, whatever is in it.

    Args:
        path: Where the file will be; its folder exists.

    Yields:
        Where to write it meanwhile.
    """
    path = Path(path)
    with _failing_to_write(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            _flush(temporary)
            # mkstemp makes the file private; a result is as readable as any other file of the user's.
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _failing_to_write(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # HDF5 raises RuntimeError where closing a file fails
        reason = getattr(error, "strerror", None) or error
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "free some space or name another place" if full else "name another place"
        raise SurroundingsError(
            f"cannot write {str(path)!r}: {reason}; nothing that was there is lost: {advice}"
        ) from error


@contextmanager
def sole_writer(path: str | Path) -> Iterator[None]:
    """Be the only run that writes a file; readers are not held up, and a killed run leaves nothing locked.

    Args:
        path: The file; its folder exists.

    Yields:
        Nothing.

    Raises:
        LandscapeError: If another run is writing it now.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such lock
        yield
        return
    lock = Path(path).with_name(f".{Path(path).name}.lock")
    with _failing_to_write(Path(path)):
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LandscapeError(
                f"another run is writing {str(path)!r} at this moment: wait for it, or give another file with --out"
            ) from error
        except OSError:  # a file system without locks
            pass
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
