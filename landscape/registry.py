"""Names for import paths: one mechanism for built-ins, plug-ins and the user's own files.

A `Spec` is what a user types, `resnet(depth=56, norm='batch')`; a `Registry` turns its target into an
object. A target is a name in the registry's table, the name of an entry point `landscape.<kind>`, or an
import path itself: `pkg.module:attribute` or `file.py:attribute`.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from landscape.errors import LandscapeError, listed, nearest


@dataclass(frozen=True)
class Spec:
    """A target and its settings, as typed: `target(key=value, ...)` with literal values."""

    target: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Spec:
        """Read a spec from text; values are Python literals and are never evaluated.

        Args:
            text: For example `resnet(depth=56, norm='none')`, `nets.py:build` or `set.npz(mean='imagenet')`.

        Returns:
            The spec; a file name that merely contains parentheses stays a plain target.

        Raises:
            LandscapeError: If the part in parentheses is not a list of name=literal.
        """
        text = text.strip()
        if not text:
            raise LandscapeError(
                "an empty name was given; name a model, data set, loss or metric (landscape models lists them)"
            )
        if re.fullmatch(r"[\w.:/-]+\([^)]*", text) and not Path(text).exists():
            raise LandscapeError(f'a parenthesis is not closed in {text!r}: write for example "resnet(depth=56)"')
        if not text.endswith(")") or "(" not in text:
            return cls(text)
        for position in (i for i, letter in enumerate(text) if letter == "("):
            kwargs = _keywords(text[position:])
            if kwargs is not None and position > 0:
                return cls(text[:position].rstrip(), kwargs)
        if os.path.exists(text):  # unlike Path.exists, False for text too long to be a name
            return cls(text)
        raise LandscapeError(
            f"cannot read the settings in {text!r}: write them as name=value with plain numbers, "
            "quoted strings, True, False or lists, for example \"resnet(depth=56, norm='batch')\""
        )

    def __str__(self) -> str:
        """Text that `parse` reads back."""
        settings = ", ".join(f"{key}={value!r}" for key, value in self.kwargs.items())
        return f"{self.target}({settings})" if settings else self.target

    def identity(self) -> str:
        """The spec as recorded in a Job: folders dropped, the content of a `file.py` hashed in."""
        head, colon, attribute = self.target.rpartition(":")
        place = head if colon else self.target
        name = _without_folder(place) + (colon + attribute if colon else "")
        text = str(Spec(name, {key: _without_folder(value) for key, value in self.kwargs.items()}))
        if place.endswith(".py") and os.path.isfile(place):
            text += "#" + hashlib.sha256(Path(place).read_bytes()).hexdigest()[:12]
        return text


def _without_folder(value: Any) -> Any:
    """The last part of the path of something that exists; any other value as it is."""
    return Path(value).name if isinstance(value, str) and os.path.exists(value) else value


def _keywords(call: str) -> dict[str, Any] | None:
    """Literal keyword arguments of `(a=1, b='x')`, or None if it is anything else."""
    try:
        node = ast.parse("f" + call, mode="eval").body
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.args:
            return None
        names = [keyword.arg for keyword in node.keywords]
        if None in names or len(set(names)) < len(names):
            return None
        return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):  # all that literal_eval is known to raise
        return None


def load(path: str) -> Any:
    """Import the object that `pkg.module:attribute` or `file.py:attribute` names.

    Args:
        path: The import path; dots in the attribute reach into classes.

    Returns:
        The object.

    Raises:
        LandscapeError: If the file, module or attribute is missing, or the user's module itself fails.
    """
    place, colon, attribute = path.rpartition(":")
    if not colon or not place or not attribute:
        raise LandscapeError(f"{path!r} is not an import path; write 'package.module:name' or 'file.py:name'")
    found: Any = _import_file(Path(place)) if place.endswith(".py") else _import_module(place)
    for part in attribute.split("."):
        if not hasattr(found, part):
            public = (name for name in dir(found) if name[0] != "_" and callable(getattr(found, name, None)))
            raise LandscapeError(f"{place} has no {attribute!r}; {nearest(attribute, public)}")
        found = getattr(found, part)
    return found


def _import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise LandscapeError(
                f"there is no module {error.name!r} to import {name!r} from; "
                "install it, or name a file 'path/to/file.py:name'"
            ) from error
        raise _failing(name) from error
    except (Exception, SystemExit) as error:
        raise _failing(name) from error


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise LandscapeError(f"there is no file {str(path)!r} to import from")
    name = f"landscape_user_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # The user's file may import its neighbours, as it does when it is run as a script.
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a script without its __main__ guard may exit
        del sys.modules[name]
        raise _failing(str(path)) from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def _failing(place: str) -> LandscapeError:
    return LandscapeError(f"importing {place} failed, inside that code:\n{_trace(sys.exc_info()[1])}")


def _trace(error: BaseException | None) -> str:
    """The traceback of an error in the user's code, without the frames that led there."""
    assert error is not None
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _ours(frame.filename)]
    return "".join([*traceback.format_list(frames), *traceback.format_exception_only(error)]).rstrip()


def _ours(filename: str) -> bool:
    return filename == __file__ or "importlib" in filename


@dataclass(frozen=True)
class Registry:
    """A read-only table from names to import paths, for one kind of thing.

    Attributes:
        kind: What a member is, in the singular (`"model"`); plug-ins use the entry-point group `landscape.<kind>s`.
        table: Built-in names and their import paths.
    """

    kind: str
    table: Mapping[str, str]

    def names(self) -> tuple[str, ...]:
        """All names: built-in ones, then those of installed plug-ins."""
        return (*self.table, *(entry.name for entry in self._plugins() if entry.name not in self.table))

    def get(self, target: str) -> Any:
        """Find the object that a target names.

        Args:
            target: A name of the table, of a plug-in, or an import path.

        Returns:
            The object, imported now.

        Raises:
            LandscapeError: If there is no such name, or the import fails.
        """
        if target in self.table:
            return load(self.table[target])
        for entry in self._plugins():
            if entry.name == target:
                return load(entry.value)
        if ":" in target:
            return load(target)
        if target.endswith(".py"):
            raise LandscapeError(f"name the function in {target}: {target}:FUNCTION")
        raise LandscapeError(f"unknown {self.kind} {target!r}; {nearest(target, self.names())}")

    def build(self, spec: Spec | str, *args: Any, **extra: Any) -> Any:
        """Call the factory that a spec names with the spec's settings.

        Args:
            spec: What to build.
            args: Positional arguments of the factory, given by the caller.
            extra: Keyword arguments given by the caller; the spec's own win.

        Returns:
            What the factory returns.

        Raises:
            LandscapeError: If the settings do not fit the factory, or it raises.
        """
        spec = Spec.parse(spec) if isinstance(spec, str) else spec
        factory = self.get(spec.target)
        if not callable(factory):
            raise LandscapeError(
                f"the {self.kind} {spec.target!r} is a {type(factory).__name__}, not something to call"
            )
        return call(f"{self.kind} {spec.target}", factory, *args, **{**extra, **spec.kwargs})

    def _plugins(self) -> tuple[Any, ...]:
        return tuple(entry_points(group=f"landscape.{self.kind}s"))


def call(what: str, factory: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a factory, telling wrong settings from a failure inside it.

    Args:
        what: How to name it in messages, for example `"model resnet"`.
        factory: The function or class.
        args: Its positional arguments.
        kwargs: Its keyword arguments.

    Returns:
        What it returns.

    Raises:
        LandscapeError: If the arguments do not fit its signature, or it raises.
    """
    try:
        inspect.signature(factory).bind(*args, **kwargs)
    except TypeError as error:
        settings = [p.name for p in inspect.signature(factory).parameters.values() if p.kind != p.VAR_KEYWORD]
        takes = f"it takes {listed(settings, 20)}" if settings else "it takes no settings"
        raise LandscapeError(f"{what}: {error}; {takes}") from error
    except ValueError:  # a callable without a readable signature
        pass
    try:
        return factory(*args, **kwargs)
    except LandscapeError:
        raise
    except Exception as error:
        raise LandscapeError(f"{what} failed, inside that code:\n{_trace(error)}") from error
