"""Keys of random streams, made from words: independent of order, processor and library versions."""

from __future__ import annotations

import hashlib


def philox_key(words: str) -> int:
    """Turn words into a key for `numpy.random.Philox`.

    Args:
        words: What the stream is for.

    Returns:
        The first 128 bits of their sha256.
    """
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:16], "big")
