"""The words of a matplotlib figure set by LaTeX: as they are, so that nothing in a name is taken for a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import Formatter

from landscape.errors import LandscapeError
from landscape.rendering.escaping import latex_text

_DONE: WeakSet[Text] = WeakSet()


class _Escaped(Formatter):
    """What another formatter writes, for LaTeX."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __call__(self, x: float, pos: int | None = None) -> str:
        return _lines(self.inner(x, pos))

    def set_axis(self, axis: Any) -> None:
        self.inner.set_axis(axis)

    def set_locs(self, locs: Any) -> None:
        self.inner.set_locs(locs)


def escape(figure: Figure) -> None:
    """Write all words of a figure, and those of its ticks, so that LaTeX sets them as they are; doing so twice is once.

    Args:
        figure: The figure.
    """
    for axes in figure.axes:
        for name in ("xaxis", "yaxis", "zaxis"):
            axis = getattr(axes, name, None)
            if axis is not None and not isinstance(axis.get_major_formatter(), _Escaped):
                axis.set_major_formatter(_Escaped(axis.get_major_formatter()))
    for text in figure.findobj(Text):
        if isinstance(text, Text) and text not in _DONE:
            text.set_text(_lines(text.get_text()))
            _DONE.add(text)


def _lines(words: str) -> str:
    return "\n".join(map(latex_text, words.split("\n")))


@contextmanager
def failures() -> Iterator[None]:
    """Tell in one sentence where LaTeX cannot set the words.

    Yields:
        Nothing.

    Raises:
        LandscapeError: If LaTeX fails, for example for lack of a package.
    """
    try:
        yield
    except RuntimeError as error:
        said = next((line[1:].strip() for line in str(error).splitlines() if line.startswith("!")), "it stopped")
        raise LandscapeError(
            f"LaTeX could not set the letters ({said}); leave out --tex, or install its packages cm-super, type1cm, "
            "underscore and textcomp"
        ) from error
