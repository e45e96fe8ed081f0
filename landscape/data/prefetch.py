"""Reading ahead: a background thread fetches the next items while the present one is used."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from queue import Empty, Queue
from typing import Any, TypeVar

Item = TypeVar("Item")

AHEAD = 3
PATIENCE = 5.0  # seconds that a thread is waited for which is no longer needed
_END = object()


@dataclass(frozen=True)
class _Failure:
    error: BaseException


def prefetched(items: Iterator[Item], ahead: int = AHEAD) -> Generator[Item, None, None]:
    """Go through items that a background thread fetches, a few of them ahead.

    What fails there is raised here, in its place. When the walk is left early, the thread stops after the item at hand;
    one that does not come to an end by itself is left behind and cannot keep the process alive.

    Args:
        items: What to fetch; it is used by the thread alone.
        ahead: The most items that wait to be used.

    Yields:
        The items, in order.

    Raises:
        BaseException: What fetching raised.
    """
    found: Queue[Any] = Queue(ahead)
    stopped = threading.Event()
    thread = threading.Thread(target=_fetch, args=(items, found, stopped), name="landscape-prefetch", daemon=True)
    thread.start()
    try:
        while (item := found.get()) is not _END:
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        stopped.set()
        _wait_for(thread, found)


def _fetch(items: Iterator[Any], found: Queue[Any], stopped: threading.Event) -> None:
    last: Any = _END
    try:
        for item in items:
            found.put(item)
            if stopped.is_set():
                break
        close = getattr(items, "close", None)
        if close is not None:
            close()
    except BaseException as error:  # whatever it is, nobody but the one who waits can deal with it
        last = _Failure(error)
    found.put(last)


def _wait_for(thread: threading.Thread, found: Queue[Any]) -> None:
    """Wait for the end of a thread, making room in the queue that it may be waiting for."""
    deadline = time.monotonic() + PATIENCE
    while thread.is_alive() and time.monotonic() < deadline:
        with contextlib.suppress(Empty):
            while True:
                found.get_nowait()
        thread.join(0.01)
