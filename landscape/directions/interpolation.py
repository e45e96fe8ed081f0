"""Directions to other checkpoints of a network: the line to one, the plane through two."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from landscape.errors import LandscapeError, listed
from landscape.models.checkpoint import Checkpoint, averaged, read_checkpoint
from landscape.models.loading import load_weights, misfit
from landscape.models.shapes import COUNTER
from landscape.parameters import Direction, ParameterSpace, copied

KINDS = {"to": 1, "plane": 2}
HOW = '"to(b.pt)" is the line to another checkpoint, "plane(b.pt, c.pt)" the plane through two'
ADD_TRUST = "if you trust where it comes from add --trust, or "


@dataclass(frozen=True)
class Interpolation:
    """Other checkpoints, and the points theta_a + x (theta_b - theta_a) + y (theta_c - theta_a) of line and plane.

    All parameters move (weights, biases, those of normalizations), tied ones once, and nothing is normalised: the
    network a is at the origin, b at x = 1, c at y = 1, up to one rounding of the difference and one of the sum.
    Buffers, running statistics among them, are a's everywhere. Under them networks between a and b may be worse than
    with statistics of their own (Jordan et al. 2022, arXiv:2211.08403).

    Attributes:
        files: b, or b and c.
    """

    files: tuple[Path, ...]

    @classmethod
    def parse(cls, text: str) -> Interpolation | None:
        """Read `to(FILE)` or `plane(FILE, FILE)`; a name may be quoted, and one with a comma must be.

        Args:
            text: What was typed.

        Returns:
            The checkpoints, or None if the text is something else, `random` or the name of a file.

        Raises:
            LandscapeError: If a parenthesis is not closed, or there are too few files or too many.
        """
        head = re.match(rf"\s*({'|'.join(KINDS)})\s*\(", text)
        if head is None:
            return None
        if not text.rstrip().endswith(")"):
            raise LandscapeError(f"a parenthesis is not closed in {text!r}: {HOW}")
        names, wanted = _names(text.rstrip()[head.end() : -1]), KINDS[head[1]]
        if len(names) != wanted or not all(names):
            files = "2 files" if wanted > 1 else "1 file"
            raise LandscapeError(
                f"{text.strip()!r} does not name the {files} that {head[1]}(...) takes: {HOW}; "
                "put quotes around a name with a comma in it"
            )
        return cls(tuple(Path(name) for name in names))

    @property
    def spec(self) -> str:
        """The text without folders."""
        kind = next(kind for kind, number in KINDS.items() if number == len(self.files))
        return f"{kind}({', '.join(file.name for file in self.files)})"

    def digest(self) -> str:
        """sha256 over the sha256 of each file, as hexadecimal digits one after the other."""
        total = hashlib.sha256()
        for path in self.files:
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").hexdigest().encode())
        return total.hexdigest()


def _names(text: str) -> list[str]:
    """Split at commas outside of quotes."""
    found = re.finditer(r"""\s*(?:'([^']*)'|"([^"]*)"|([^,]*?))\s*(?:,|\Z)""", text)
    return ["".join(part or "" for part in match.groups()) for match in found][:-1]  # the last is the empty end


def default_policy(directions: str) -> str:
    """The policy for BatchNorm's statistics that suits directions.

    Args:
        directions: What was typed.

    Returns:
        `"recalibrate"` on the way to other checkpoints, else `"frozen"`.
    """
    return "frozen" if Interpolation.parse(directions) is None else "recalibrate"


def network_of(path: Path, model: nn.Module, key: str = "") -> tuple[nn.Module, list[str]]:
    """Copy a network and give the copy the weights of another checkpoint; no code in the file is run.

    Args:
        path: The other checkpoint.
        model: The network.
        key: Where the network's own weights were in their file; the same place is taken where the other has it.

    Returns:
        The copy, and what was assumed or changed, a sentence each.

    Raises:
        LandscapeError: If the file is missing, damaged or not weights alone, or belongs to another network.
    """
    checkpoint, notes = _checkpoint(path, key)
    if faults := misfit(model, checkpoint):
        raise LandscapeError(
            f"the weights of {path} do not fit the model {type(model).__name__} ({faults}): "
            "the path between two checkpoints needs two of the same network"
        )
    network = copied(model)
    notes += [*checkpoint.notes, *load_weights(network, checkpoint)]
    return network, [f"{path.name}: {note}" for note in notes]


def _checkpoint(path: Path, key: str) -> tuple[Checkpoint, list[str]]:
    """The weights under the key, or the usual ones where there are none under it."""
    try:
        return read_checkpoint(path, key=key or None), []
    except LandscapeError as error:
        if not key:
            raise LandscapeError(str(error).replace(ADD_TRUST, "")) from error
    checkpoint, _ = _checkpoint(path, "")
    place = f"those under {checkpoint.key!r}" if checkpoint.key else "the only ones"
    raw = averaged(key) and not averaged(checkpoint.key)
    return checkpoint, [f"the file holds no averaged weights under {key!r}: {place} were taken"] if raw else []


def difference(space: ParameterSpace, other: nn.Module, path: Path) -> Direction:
    """The direction to another network, d = theta_b - theta_a over all parameters.

    Args:
        space: The parameters; their present values are theta_a.
        other: A network of the same parameters.
        path: Where they come from.

    Returns:
        The direction, on the CPU, in the parameters' own dtypes; what does not move is left out.

    Raises:
        LandscapeError: If nothing moves.
    """
    theirs = {entry.name: entry.parameter.detach().cpu() for entry in ParameterSpace(other, "all").entries}
    steps = {entry.name: theirs[entry.name] - entry.parameter.detach().cpu() for entry in space.entries}
    moved = {name: step for name, step in steps.items() if step.any()}
    if not moved:
        raise LandscapeError(
            f"all parameters of {path} are those of the model itself, so there is no direction: give another checkpoint"
        )
    return Direction(moved, Interpolation((path,)).spec)


def staying_buffers(model: nn.Module, other: nn.Module, path: Path) -> list[str]:
    """Say which buffers keep another network at its end of the path from being itself.

    Args:
        model: The network that is evaluated.
        other: The other network.
        path: Where it comes from.

    Returns:
        A sentence, or nothing where all buffers agree.
    """
    own = dict(model.named_buffers())
    apart = [
        name
        for name, buffer in other.named_buffers()
        if name.rpartition(".")[2] != COUNTER and not torch.equal(buffer.cpu(), own[name].cpu())
    ]
    if not apart:
        return []
    return [
        f"{path.name}: parameters alone move; buffers in which it differs ({listed(apart, 4)}) stay those of the first "
        "checkpoint unless the policy for BatchNorm's statistics estimates them anew, so that the loss at its end of "
        f"the path need not be that of {path.name}"
    ]
