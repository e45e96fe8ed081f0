"""Which examples are used: of which split, a fixed choice in a fixed order, and a digest of what was chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landscape.errors import LandscapeError
from landscape.keys import philox_key

# Rows that are handled at a time where a whole set need not be in memory at once.
CHUNK = 256
_OR_ALL = " or all"


class NoSplitsError(LandscapeError):
    """The source holds a single set without splits, which stands for `test`, and another split was asked for."""


def chosen(samples: str, number: int) -> NDArray[np.int64]:
    """Indices of the examples that a choice means, in the order in which they are used.

    The permutation of `number` examples is fixed: it depends on `number` alone, never on a seed, and
    the choice `"100"` is the beginning of the choice `"1000"`.

    Args:
        samples: `"all"` or `"N"` (all, or the first N, of the permuted set), `"first:N"` (the first N in the original
            order), or what `up_to` gives.
        number: Size of the set.

    Returns:
        The indices, shape (n,).

    Raises:
        LandscapeError: If the choice cannot be read, or asks for no example or for more than there are.
    """
    first, count = _read(samples, number)
    if str(samples).endswith(_OR_ALL):
        count = min(count, number)
    if count > number:
        raise LandscapeError(
            f"{samples!r} asks for {count} examples, but the set has {number}; ask for {number} or 'all'"
        )
    if first:
        return np.arange(count, dtype=np.int64)
    # The raw stream of a bit generator is fixed across NumPy versions; that of `permutation` is not promised.
    key = philox_key(f"landscape samples {number}")
    order = np.argsort(np.random.Philox(key=key).random_raw(number), kind="stable")
    return order[:count].astype(np.int64)


def thinned(number: int, step: int) -> NDArray[np.int64]:
    """Indices of one in `step` of the examples: a fixed choice, since every `step`-th may have a class of its own.

    Args:
        number: How many examples there are; the choice depends on it alone.
        step: How many there are for one that is chosen.

    Returns:
        ceil(number / step) indices, ascending.
    """
    return np.sort(chosen(str(-(-number // step)), number))


def shared(one: Iterable[NDArray[Any]], other: Iterable[NDArray[Any]]) -> int:
    """Count the rows of an array that another one has, too, to the bit.

    Args:
        one: The array in parts, of shape (n, ...) each.
        other: Likewise.

    Returns:
        How many rows of the one; none where they are of another shape or type.
    """
    known = {key for part in other for key in _keys(part)}
    return sum(key in known for part in one for key in _keys(part))


def _keys(part: NDArray[Any]) -> Iterable[bytes]:
    kind = f"{part.dtype.str}{part.shape[1:]}".encode()
    return (hashlib.sha256(kind + row.tobytes()).digest() for row in part)


def _read(samples: str, number: int) -> tuple[bool, int]:
    """Whether the original order is meant, and how many examples."""
    text = str(samples).strip()
    if text == "all":
        return False, number
    digits = text.removeprefix("first:").removesuffix(_OR_ALL)
    if not (digits.isascii() and digits.isdigit() and int(digits) > 0):
        raise LandscapeError(
            f"cannot read the choice of samples {samples!r}: write 'all', a positive number such as 1000, "
            "or 'first:1000' for the first 1000 in the original order; 'auto' is for --samples alone"
        )
    return text.startswith("first:"), int(digits)


def up_to(number: int) -> str:
    """The choice of the first examples of the permuted set, or all of it where it has fewer.

    Args:
        number: How many examples.

    Returns:
        What `chosen` takes.
    """
    return f"{number}{_OR_ALL}"


class Digest:
    """sha256 over the types, shapes and bytes of arrays, which may come in parts."""

    def __init__(self) -> None:
        self._total = hashlib.sha256()

    def begin(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        """Begin an array.

        Args:
            dtype: Its type, in any byte order.
            shape: Its whole shape; its rows follow.
        """
        self._dtype = dtype.newbyteorder("<")
        self._total.update(f"{self._dtype.str}{tuple(shape)}".encode())

    def add(self, rows: NDArray[Any]) -> None:
        """Add rows of the array at hand, in order; their memory layout does not matter."""
        plain = np.ascontiguousarray(rows, dtype=self._dtype)
        self._total.update(plain.reshape(-1).view(np.uint8).data if plain.size else b"")

    def text(self) -> str:
        """64 hexadecimal digits for what was added so far."""
        return self._total.hexdigest()


def digest_of(*arrays: Any) -> str:
    """sha256 over the types, shapes and bytes of arrays, as hexadecimal text.

    Args:
        arrays: Arrays of one axis or more, or rows that are read part by part; byte order and memory layout do not
            matter.

    Returns:
        64 hexadecimal digits.
    """
    digest = Digest()
    for array in arrays:
        digest.begin(array.dtype, array.shape)
        for start in range(0, len(array), CHUNK):
            digest.add(array[start : start + CHUNK])
    return digest.text()
