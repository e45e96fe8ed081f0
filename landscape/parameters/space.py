"""The parameters of a model by canonical name, and which of them a direction moves."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from landscape.errors import LandscapeError, listed, nearest
from landscape.parameters.pieces import inner_product, is_finite
from landscape.parameters.roles import ROLES, Filters, read_role, role_of

PERTURB = {
    "weights": ("weight", "embedding"),
    "weights+bias": ("weight", "embedding", "bias"),
    "all": ROLES,
}


@dataclass(frozen=True)
class Entry:
    """One parameter: its canonical name, its role and its filters.

    Attributes:
        name: Without the prefixes of DataParallel and torch.compile.
        parameter: The tensor itself, owned by the model.
        role: One of `ROLES`.
        filters: How it divides into filters.
        by_shape: Whether the role is a guess from the shape, for lack of a known module type.
    """

    name: str
    parameter: nn.Parameter
    role: str
    filters: Filters
    by_shape: bool = False


def canonical(name: str) -> str:
    """A parameter's name without the prefixes that DataParallel and torch.compile add."""
    return re.sub(r"(^|(?<=\.))((module|_orig_mod)\.)+", "", name)


class ParameterSpace:
    """The parameters of a model by canonical name, tied ones once, and which of them a direction moves.

    Args:
        model: The network.
        perturb: `"weights"` (weights and embeddings), `"weights+bias"` or `"all"`.
        roles: Overrides `PATTERN=ROLE` or `PATTERN=ROLE:AXIS`, the first that matches a name wins.

    Raises:
        LandscapeError: If the model has no parameters, some are not finite, an override matches nothing or
            names no role, or nothing is left to perturb.
    """

    def __init__(self, model: nn.Module, perturb: str = "weights", roles: Sequence[str] = ()) -> None:
        if perturb not in PERTURB:
            raise LandscapeError(f"unknown choice {perturb!r} of what to perturb; {nearest(perturb, PERTURB)}")
        self.perturb = perturb
        self.entries = tuple(_overridden(tuple(_entries(model)), roles))
        self.moved = tuple(entry for entry in self.entries if entry.role in PERTURB[perturb])
        if not self.entries:
            raise LandscapeError("the model has no floating-point parameters, so there is no landscape to see")
        if not self.moved:
            found = listed(sorted({entry.role for entry in self.entries}))
            raise LandscapeError(
                f"with --perturb {perturb} no parameter moves: the model has only {found} parameters; "
                "use --perturb all, or give roles with --role 'PATTERN=weight:0'"
            )
        self._refuse_non_finite()

    def __getitem__(self, name: str) -> Entry:
        """The entry of this canonical name."""
        return next(entry for entry in self.entries if entry.name == name)

    def _refuse_non_finite(self) -> None:
        bad = [entry.name for entry in self.entries if not is_finite(entry.parameter)]
        if bad:
            raise LandscapeError(
                f"the weights hold NaN or infinity in {listed(bad)}: the training diverged; give an earlier checkpoint"
            )

    def table(self, moved: Collection[str]) -> list[dict[str, Any]]:
        """What is perturbed and what is fixed.

        Args:
            moved: Names of the parameters that a direction moves.

        Returns:
            For each role that occurs: its number of tensors and of elements, its Euclidean norm, its share of the
            squared norm of all parameters, how many of its tensors are perturbed, and how many roles are by shape.
        """
        squares = {entry.name: inner_product(entry.filters, entry.parameter, entry.parameter) for entry in self.entries}
        total = sum(squares.values())
        rows = []
        for role in ROLES:
            members = [entry for entry in self.entries if entry.role == role]
            if members:
                square = sum(squares[entry.name] for entry in members)
                rows.append(
                    {
                        "role": role,
                        "tensors": len(members),
                        "elements": sum(entry.parameter.numel() for entry in members),
                        "norm": square**0.5,
                        "share": square / total if total else 0.0,
                        "perturbed": sum(entry.name in moved for entry in members),
                        "by_shape": sum(entry.by_shape for entry in members),
                    }
                )
        return rows


def _entries(model: nn.Module) -> Iterator[Entry]:
    """Every floating-point parameter once, under the first of its names."""
    short = Counter(canonical(full) for full, _ in model.named_parameters())
    for full, parameter in model.named_parameters():
        _refuse_unusable(full, parameter)
        if not parameter.is_floating_point():
            continue
        path, _, local = full.rpartition(".")
        role, filters, by_shape = role_of(model, path, local, parameter)
        # A submodule that is really called `module` keeps its name where two parameters would become one.
        name = canonical(full) if short[canonical(full)] == 1 else full
        yield Entry(name, parameter, role, filters, by_shape)


def _refuse_unusable(name: str, parameter: nn.Parameter) -> None:
    if isinstance(parameter, nn.UninitializedParameter):
        raise LandscapeError(f"{name} of a lazy module has no shape yet: pass a batch through the model once, before")
    if parameter.is_inference():
        raise LandscapeError(
            f"{name} was made in torch.inference_mode() and cannot be moved: build the model outside of it"
        )


def _overridden(entries: Sequence[Entry], roles: Sequence[str]) -> Iterator[Entry]:
    rules = []
    for rule in roles:
        pattern, equals, value = rule.rpartition("=")
        if not equals or not pattern:
            raise LandscapeError(
                f"cannot read the role {rule!r}: write 'PATTERN=ROLE:AXIS', for example '*.gate=weight:0'"
            )
        if not any(fnmatch.fnmatchcase(entry.name, pattern) for entry in entries):
            raise LandscapeError(
                f"the pattern {pattern!r} of --role matches no parameter; {nearest(pattern, (e.name for e in entries))}"
            )
        rules.append((pattern, *read_role(value, f"--role {rule!r}")))
    for entry in entries:
        rule_of = (rule for rule in rules if fnmatch.fnmatchcase(entry.name, rule[0]))
        _, role, filters = next(rule_of, ("", entry.role, entry.filters))
        by_shape = entry.by_shape and (role, filters) == (entry.role, entry.filters)
        if filters.axis is not None and not -entry.parameter.ndim <= filters.axis < max(entry.parameter.ndim, 1):
            raise LandscapeError(f"{entry.name} has shape {tuple(entry.parameter.shape)} and no axis {filters.axis}")
        yield Entry(entry.name, entry.parameter, role, filters, by_shape)
