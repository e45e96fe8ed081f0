"""How far a run is: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol, TextIO


class Progress(Protocol):
    """What a run tells while it goes on."""

    def say(self, text: str) -> None:
        """Print a sentence."""

    def start(self, done: int, total: int) -> None:
        """Points are about to be computed; some may be done already."""

    def extend(self, total: int) -> None:
        """More points turned out to be needed."""

    def advance(self, seconds: float) -> None:
        """A point is done, in so many seconds."""

    def stop(self) -> None:
        """No more points."""


class Silent:
    """Says nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def start(self, done: int, total: int) -> None:
        """Say nothing."""

    def extend(self, total: int) -> None:
        """Say nothing."""

    def advance(self, seconds: float) -> None:
        """Say nothing."""

    def stop(self) -> None:
        """Say nothing."""


class Lines:
    """Plain lines, for logs and pipes.

    Args:
        stream: Where they go.
        every: Seconds between two lines.
    """

    def __init__(self, stream: TextIO, every: float = 5.0) -> None:
        self._stream = stream
        self._every = every
        self._done = self._total = self._fresh = 0
        self._begun, self._last = 0.0, 0.0

    def say(self, text: str) -> None:
        """Print a sentence."""
        print(text, file=self._stream, flush=True)

    def start(self, done: int, total: int) -> None:
        """Begin to count."""
        self._done, self._total, self._fresh = done, total, 0
        self._begun = self._last = time.monotonic()

    def extend(self, total: int) -> None:
        """Count up to more."""
        self._total = total

    def advance(self, seconds: float) -> None:
        """Count a point and print a line when it is time for one."""
        self._done, self._fresh = self._done + 1, self._fresh + 1
        now, left = time.monotonic(), self._total - self._done
        if self._fresh == 1 and left:
            self.say(f"{seconds:.2g} s a point, {left:,} to go: about {duration(seconds * left)}")
        elif now - self._last >= self._every and left:
            ahead = (now - self._begun) / self._fresh * left
            self.say(f"{self._done:,} of {self._total:,} points, about {duration(ahead)} left")
            self._last = now

    def stop(self) -> None:
        """Print how long all of them took, if all are done."""
        if self._fresh and self._done == self._total:
            took = duration(time.monotonic() - self._begun)
            self.say(f"{self._done:,} of {self._total:,} points in {took}")
            self._fresh = 0


class Bar:
    """A progress bar on a terminal.

    Args:
        stream: The terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._bar: Any = None

    def say(self, text: str) -> None:
        """Print a sentence above the bar."""
        self._console.print(text, markup=False)

    def start(self, done: int, total: int) -> None:
        """Show the bar."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("points"), TimeElapsedColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console)
        self._task = self._bar.add_task("points", total=total, completed=done)
        self._first, self._left = True, total - done
        self._bar.start()

    def extend(self, total: int) -> None:
        """Make the bar longer."""
        self._bar.update(self._task, total=total)

    def advance(self, seconds: float) -> None:
        """Move the bar by a point."""
        self._bar.advance(self._task)
        if self._first and self._left > 1:
            self.say(f"{seconds:.2g} s a point: about {duration(seconds * (self._left - 1))}")
        self._first = False

    def stop(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.stop()


def progress_on(stream: TextIO | None = None) -> Progress:
    """The progress that suits a stream.

    Args:
        stream: Where to; None for stderr.

    Returns:
        A bar if it is a terminal, else lines.
    """
    stream = stream or sys.stderr
    return Bar(stream) if stream.isatty() else Lines(stream)


def duration(seconds: float) -> str:
    """Seconds as a person says them: `8 s`, `3 min`, `2 h 05 min`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
