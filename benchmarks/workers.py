"""A process for each contender: none shares threads, allocator or floating-point mode with another."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

CONTENDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "user": ("benchmarks.contenders:UserLoop", {}),
    "user-flushed": ("benchmarks.contenders:UserLoop", {"flush": True}),
    "loss-landscapes": ("benchmarks.peers:LossLandscapes", {}),
    "loss-landscape-3d": ("benchmarks.peers:LossLandscape3D", {}),
    "landscaper": ("benchmarks.peers:Landscaper", {}),
    "eager": ("benchmarks.ours:OursEager", {}),
    "fp32": ("benchmarks.ours:Ours", {}),
    "auto": (
        "benchmarks.ours:Ours",
        {"label": "landscape, auto at 1 %", "precision": "auto", "tolerance": 0.01},
    ),
    "bf16": ("benchmarks.ours:Ours", {"label": "landscape, bf16", "precision": "bf16"}),
}
EXACT = "float64"


class Worker:
    """A process that holds one contender and does what it is told, one thing at a time.

    Args:
        name: One of `CONTENDERS`, or `EXACT`.
        threads: For torch.
        device: Where ours and the user's loop compute.
    """

    def __init__(self, name: str, threads: int, device: str = "cpu") -> None:
        context = multiprocessing.get_context("spawn")
        self._end, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, name, threads, device))
        self._process.start()
        theirs.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._end.send(("stop", ()))
        self._process.join()

    def label(self) -> str:
        """The contender's name for the table."""
        return str(self._ask("label"))

    def variants(self) -> tuple[str, ...]:
        """Ways of using it."""
        return tuple(self._ask("variants"))

    def prepare(self, case: Path, variant: str) -> None:
        """Load a case."""
        self._ask("prepare", case, variant)

    def run(self, side: int) -> Any:
        """Run over a grid of side x side points; a `Run`."""
        return self._ask("run", side)

    def check(self) -> dict[str, Any]:
        """Compare losses."""
        return dict(self._ask("check"))

    def _ask(self, what: str, *arguments: Any) -> Any:
        try:
            self._end.send((what, arguments))
            worked, answer = self._end.recv()
        except (EOFError, BrokenPipeError) as error:
            raise FailedError("the process ended without an answer") from error
        if not worked:
            raise FailedError(answer)
        return answer


class FailedError(Exception):
    """A contender could not do what it was asked for; the text is the reason."""


def _serve(end: Connection, name: str, threads: int, device: str) -> None:
    """Answer until told to stop; what contenders print goes nowhere."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        contender: Any = None
        while True:
            what, arguments = end.recv()
            if what == "stop":
                return
            try:
                contender = contender or _contender(name, threads, device)
                end.send((True, _answer(contender, what, arguments)))
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                end.send((False, f"{type(error).__name__} in {where.name}: {_first_line(error)}"))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")


def _contender(name: str, threads: int, device: str) -> Any:
    import torch

    from landscape.registry import load

    torch.set_num_threads(threads)
    target, options = CONTENDERS[name] if name != EXACT else ("benchmarks.ours:Exact", {})
    factory: Callable[..., Any] = load(target)
    return factory(**options) if target.startswith("benchmarks.peers") else factory(device=device, **options)


def _answer(contender: Any, what: str, arguments: tuple[Any, ...]) -> Any:
    if what in ("label", "variants"):
        return getattr(contender, what)
    if what == "prepare":
        from benchmarks.cases import load_case

        return contender.prepare(load_case(arguments[0]), arguments[1])
    return getattr(contender, what)(*arguments)
