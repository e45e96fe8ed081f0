"""Which examples are used: of which split, a fixed choice in a fixed order, and a digest of what was chosen."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landscape.errors import LandscapeError


class NoSplitsError(LandscapeError):
    """The source holds a single set without splits, which stands for `test`, and another split was asked for."""


def chosen(samples: str, number: int) -> NDArray[np.int64]:
    """Indices of the examples that a choice means, in the order in which they are used.

    The permutation of `number` examples is fixed: it depends on `number` alone, never on a seed, and
    the choice `"100"` is the beginning of the choice `"1000"`.

    Args:
        samples: `"all"` or `"N"` (all, or the first N, of the permuted set), or `"first:N"` (the
            first N in the original order).
        number: Size of the set.

    Returns:
        The indices, shape (n,).

    Raises:
        LandscapeError: If the choice cannot be read, or asks for no example or for more than there are.
    """
    first, count = _read(samples, number)
    if count > number:
        raise LandscapeError(
            f"{samples!r} asks for {count} examples, but the set has {number}; ask for {number} or 'all'"
        )
    if first:
        return np.arange(count, dtype=np.int64)
    # The raw stream of a bit generator is fixed across NumPy versions; that of `permutation` is not promised.
    key = int.from_bytes(hashlib.sha256(f"landscape samples {number}".encode()).digest()[:16], "big")
    order = np.argsort(np.random.Philox(key=key).random_raw(number), kind="stable")
    return order[:count].astype(np.int64)


def shared(one: NDArray[Any], other: NDArray[Any]) -> int:
    """Count the rows of an array that another one has, too, to the bit.

    Args:
        one: Shape (N, ...).
        other: Shape (M, ...).

    Returns:
        How many of the N; none where the rows are of another shape or type.
    """
    if (one.dtype, one.shape[1:]) != (other.dtype, other.shape[1:]):
        return 0
    known = {hashlib.sha256(row.tobytes()).digest() for row in other}
    return sum(hashlib.sha256(row.tobytes()).digest() in known for row in one)


def _read(samples: str, number: int) -> tuple[bool, int]:
    """Whether the original order is meant, and how many examples."""
    text = str(samples).strip()
    if text == "all":
        return False, number
    digits = text.removeprefix("first:")
    if not (digits.isascii() and digits.isdigit() and int(digits) > 0):
        raise LandscapeError(
            f"cannot read the choice of samples {samples!r}: write 'all', a positive number such as 1000, "
            "or 'first:1000' for the first 1000 in the original order"
        )
    return digits != text, int(digits)


def digest_of(*arrays: NDArray[Any]) -> str:
    """sha256 over the types, shapes and bytes of arrays, as hexadecimal text.

    Args:
        arrays: The arrays; byte order and memory layout do not matter.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for array in arrays:
        plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{plain.dtype.str}{array.shape}".encode())
        digest.update(plain.tobytes())
    return digest.hexdigest()
