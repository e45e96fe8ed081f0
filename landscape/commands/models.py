"""`landscape models`: the names that --model, norm=, --data, --loss and --metric take."""

from __future__ import annotations

import inspect
import re
import shutil
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

from landscape.errors import LandscapeError, nearest

# Names are set off by so many letters.
COLUMN = 26


@click.command(short_help="List the models, normalizations, data sets, losses and metrics by name.")
@click.argument("model", required=False)
def models(model: str | None) -> None:
    """List what --model, norm=, --data, --loss and --metric know by name, or the settings of one MODEL or norm.

    \b
    landscape models              everything
    landscape models resnet       its settings with their defaults, and the norms that it takes
    landscape models group        the settings of a norm
    """
    click.echo("\n".join(_everything() if model is None else _settings(model)))


def _everything() -> list[str]:
    from landscape.data import DATASETS
    from landscape.evaluation import LOSSES, METRICS
    from landscape.models import MODELS, NORMS
    from landscape.models.offers import families, offered

    groups = families()
    others = [name for name in MODELS.names() if name not in MODELS.table]
    lines = ["models, --model 'NAME(setting=value, ...)'; landscape models NAME lists settings"]
    for first, names in groups.items():
        more = f" Also {', '.join(names[1:])}." if len(names) > 1 else ""
        lines += _entry(first, _summary(MODELS.get(first)) + more)
    lines += _listed("", [*others, "torchvision:NAME", "timm:NAME", "file.py:factory", "package.module:factory"])
    lines += ["", "norms, norm='NAME' or norm=\"NAME(setting=value, ...)\" of a model"]
    for name in NORMS.names():
        lines += _entry(name, _summary(NORMS.get(name)))
    lines += ["", "norms that each model takes"]
    for norms, takers in _together({first: offered(first) for first in groups}).items():
        lines += _entry(", ".join(takers), ", ".join(norms))
    lines += ["", *_listed("data", [*DATASETS.names(), "set.npz", "folder/", "file.py:loader"])]
    lines += _listed("loss", [*LOSSES.names(), "file.py:function"])
    return lines + _listed("metric", [*METRICS.names(), "file.py:function"])


def _settings(name: str) -> list[str]:
    from landscape.models import MODELS, NORMS
    from landscape.models.offers import families, offered

    library, colon, _ = name.partition(":")
    if colon and library in ("torchvision", "timm"):
        raise LandscapeError(f"the settings of {name} are those of {library}, and explained there")
    if not colon and name not in (*MODELS.names(), *NORMS.names()):
        raise LandscapeError(f"unknown model or norm {name!r}; {nearest(name, (*MODELS.names(), *NORMS.names()))}")
    norm = name in NORMS.names() and name not in MODELS.names()
    factory = (NORMS if norm else MODELS).get(name)
    lines = _entry(name, _summary(factory))
    described = _arguments(inspect.getdoc(_function(factory)) or "")
    for setting in inspect.signature(factory).parameters.values():
        needed = setting.default is inspect.Parameter.empty
        shown = setting.name if needed else f"{setting.name}={setting.default!r}"
        lines += _entry(f"  {shown}", described.get(setting.name, ""))
    if any(name in names for names in families().values()):
        lines += _listed("  norms it takes", offered(name))
    return lines


def _function(factory: Any) -> Any:
    """The function of a factory some of whose settings are given (resnet20)."""
    return getattr(factory, "func", factory)


def _summary(factory: Callable[..., Any]) -> str:
    """The first line of a docstring; of a model, what is built."""
    first = (inspect.getdoc(_function(factory)) or "").partition("\n")[0]
    rest = first.removeprefix("Build ")
    return rest[:1].upper() + rest[1:]


def _arguments(doc: str) -> dict[str, str]:
    """What a docstring says of each argument."""
    section = re.search(r"^Args:\n((?:    .*\n|\n)*)", doc + "\n", re.MULTILINE)
    entries = re.split(r"^    (\w+): ", section[1], flags=re.MULTILINE)[1:] if section else []
    return {name: " ".join(text.split()) for name, text in zip(entries[::2], entries[1::2], strict=True)}


def _together(offers: Mapping[str, Sequence[str]]) -> dict[tuple[str, ...], list[str]]:
    """For norms that are offered together, the models that take them."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for model, norms in offers.items():
        groups.setdefault(tuple(norms), []).append(model)
    return groups


def _listed(title: str, names: Iterable[str]) -> list[str]:
    return _entry(title, ", ".join(names))


def _entry(name: str, text: str) -> list[str]:
    """A name and a text beside it; a long name has a line of its own."""
    width = min(max(shutil.get_terminal_size().columns, 80), 110)
    indent = " " * COLUMN
    beside = len(name) < COLUMN - 1
    wrapped = textwrap.wrap(
        text,
        width,
        initial_indent=f"  {name}".ljust(COLUMN) if beside else indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    return (wrapped or [f"  {name}"]) if beside else [f"  {name}", *wrapped]
