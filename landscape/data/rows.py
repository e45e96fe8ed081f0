"""Raw examples that are not in memory: like an array whose rows are read when they are asked for."""

from __future__ import annotations

import math
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landscape.data.samples import CHUNK
from landscape.errors import LandscapeError

_LOCAL_HEADER = 30  # bytes, in a zip file, before the name and the extra field of a member


class Rows(ABC):
    """An array of which rows are read when they are asked for: `rows[3:7]`, `rows[[1, 5]]`, or all of it, `rows[:]`.

    Attributes:
        shape: Of the whole, (N, ...).
        dtype: Of its values.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @abstractmethod
    def read(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """Read rows.

        Args:
            index: Which, shape (n,).

        Returns:
            Shape (n, ...), an array of its own.
        """

    def __len__(self) -> int:
        """The number of rows."""
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Read the rows that a slice or an array of indices means."""
        return self.read(np.arange(len(self), dtype=np.int64)[index])

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How much memory all rows take."""
        return self.size * self.dtype.itemsize

    def taken(self, index: NDArray[np.int64]) -> Rows:
        """Some of the rows, in this order, without reading any."""
        return _Arranged(self, index, _unchanged)

    def arranged(self, arrange: Callable[[NDArray[Any]], NDArray[Any]]) -> Rows:
        """The same rows in another layout or type.

        Args:
            arrange: From rows (n, ...) as they are to rows (n, ...) as they should be, each by itself.

        Returns:
            The rows, none of them read yet.
        """
        return _Arranged(self, np.arange(len(self), dtype=np.int64), arrange)


class _Arranged(Rows):
    """Rows of others, in another order and layout."""

    def __init__(self, rows: Rows, index: NDArray[np.int64], arrange: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
        self._rows, self._index, self._arrange = rows, index, arrange
        none = arrange(np.empty((0, *rows.shape[1:]), rows.dtype))
        self.shape, self.dtype = (len(index), *none.shape[1:]), none.dtype

    def read(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """Read rows."""
        return self._arrange(self._rows.read(self._index[index]))

    def taken(self, index: NDArray[np.int64]) -> Rows:
        """Some of the rows, in this order, without reading any."""
        return _Arranged(self._rows, self._index[index], self._arrange)


def _unchanged(array: NDArray[Any]) -> NDArray[Any]:
    return array


class Mapped(Rows):
    """An array that the operating system reads from a file when it is looked at.

    Args:
        array: A memory-mapped array.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        self._array, self.shape, self.dtype = array, array.shape, array.dtype

    def read(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """Read rows."""
        return np.asarray(self._array[index])


class Stored(Rows):
    """An array inside a file, neither compressed nor transposed, of which rows are read by their place.

    Args:
        path: The file.
        offset: Where the array begins, in bytes.
        shape: Its shape.
        dtype: Its type.
    """

    def __init__(self, path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._path, self._offset, self.shape, self.dtype = path, offset, shape, dtype

    def read(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """Read rows.

        Raises:
            LandscapeError: If the file is not as it was any more.
        """
        rows = np.empty((len(index), *self.shape[1:]), self.dtype)
        size = rows.nbytes // max(len(index), 1)
        memory = rows.reshape(-1).view(np.uint8).data
        try:
            with self._path.open("rb", buffering=0) as stream:
                for place, row in enumerate(index):
                    stream.seek(self._offset + int(row) * size)
                    if stream.readinto(memory[place * size : (place + 1) * size]) != size:
                        raise LandscapeError(f"{str(self._path)!r} has become shorter: leave it alone during a run")
        except OSError as error:
            raise LandscapeError(f"cannot read {str(self._path)!r} any more: {error.strerror}") from error
        return rows


def stored_in_npz(path: Path, name: str) -> Stored | None:
    """Find an array of a .npz file by its place in it.

    Args:
        path: The file.
        name: Name of the array.

    Returns:
        Its rows; None where they cannot be read one by one: it is compressed, transposed or holds Python objects.

    Raises:
        BadZipFile: If its checksum says that it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{name}.npy")
        if member.compress_type != zipfile.ZIP_STORED:
            return None
        with archive.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, transposed, dtype = read_header[version](stream) if version in read_header else ((), False, None)
            header = stream.tell()
            if dtype is None or dtype.hasobject or not shape or (transposed and len(shape) > 1):
                return None
            while stream.read(1 << 20):  # to its end, where the checksum is compared
                pass
    with path.open("rb") as file:
        file.seek(member.header_offset)
        local = file.read(_LOCAL_HEADER)
    begin = member.header_offset + _LOCAL_HEADER + int.from_bytes(local[26:28], "little")
    return Stored(path, begin + int.from_bytes(local[28:30], "little") + header, shape, dtype)


def chunks(rows: Any) -> Iterator[NDArray[Any]]:
    """Go through an array, or rows that are not in memory, a few rows at a time.

    Args:
        rows: Shape (N, ...).

    Yields:
        Arrays of shape (n, ...).
    """
    for start in range(0, len(rows), CHUNK):
        yield np.asarray(rows[start : start + CHUNK])
