"""A process for each contender: none shares threads, allocator or floating-point mode with another."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Entry:
    """A contender as the tables name it, and how it is made.

    Attributes:
        words: Its name in tables.
        target: Import path of its class.
        options: What the class takes.
        ours: Whether it is a way of using this package.
        models: The networks on which it makes a difference; empty for all. "norms" are those of `normalizations`.
    """

    words: str
    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    ours: bool = False
    models: tuple[str, ...] = ()


OURS, LOOP, PEERS = "benchmarks.ours:Ours", "benchmarks.contenders:UserLoop", "benchmarks.peers:"
CONTENDERS = {
    "user": Entry("user's loop", LOOP),
    "user-arrays": Entry("user's loop, without PIL", LOOP, {"pil": False}, models=("lenet", "mlp")),
    "user-flushed": Entry("user's loop, denormals flushed", LOOP, {"flush": True}, models=("resnet56",)),
    "loss-landscapes": Entry("loss-landscapes", f"{PEERS}LossLandscapes"),
    "loss-landscape-3d": Entry("loss-landscape-3d", f"{PEERS}LossLandscape3D"),
    "landscaper": Entry("landscaper", f"{PEERS}Landscaper"),
    "eager": Entry("landscape, eager", OURS, {"evaluator": "eager"}, ours=True),
    "fp32": Entry("landscape, fp32", OURS, ours=True),
    "auto": Entry("landscape, auto at 1 %", OURS, {"precision": "auto", "tolerance": 0.01}, ours=True),
    "bf16": Entry("landscape, bf16", OURS, {"precision": "bf16"}, ours=True),
    "compiled": Entry("compiled", OURS, {"evaluator": "compiled"}, ours=True, models=("norms",)),
    "compiled-bf16": Entry(
        "compiled, bf16", OURS, {"evaluator": "compiled", "precision": "bf16"}, ours=True, models=("norms",)
    ),
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
    entry = CONTENDERS.get(name) or Entry(EXACT, "benchmarks.ours:Exact")
    factory: Callable[..., Any] = load(entry.target)
    return factory(**entry.options) if entry.target.startswith(PEERS) else factory(device=device, **entry.options)


def _answer(contender: Any, what: str, arguments: tuple[Any, ...]) -> Any:
    if what == "variants":
        return contender.variants
    if what == "prepare":
        from benchmarks.cases import load_case

        return contender.prepare(load_case(arguments[0]), arguments[1])
    return getattr(contender, what)(*arguments)
