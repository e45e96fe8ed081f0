"""The weights of a checkpoint in a model, and where they lie in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from landscape.errors import LandscapeError, listed
from landscape.models.checkpoint import Checkpoint
from landscape.models.recognition import nearest_model, recognise
from landscape.models.shapes import COUNTER, shapes_of, shared_prefix

# Elements that are looked at at a time.
PART = 2**18


def load_weights(model: nn.Module, checkpoint: Checkpoint) -> list[str]:
    """Put the weights of a checkpoint into a model; the model stays as it is if they do not fit.

    Args:
        model: The network.
        checkpoint: Where the weights come from.

    Returns:
        What was assumed or changed, a sentence each.

    Raises:
        LandscapeError: If tensors are missing, left over or of another shape, or a weight is NaN or infinite.
    """
    own = model.state_dict()
    state = _renamed(model, checkpoint)
    if faults := misfit(model, checkpoint):
        raise LandscapeError(
            f"the weights of {checkpoint.name} do not fit the model {type(model).__name__} ({faults})"
            f"{_advice(checkpoint)}"
        )
    _check_finite(checkpoint)
    model.load_state_dict({name: state.get(name, tensor) for name, tensor in own.items()})
    converted = {
        f"{_words(state[name])} weights converted to the model's {_words(own[name])}"
        for name in own
        if name in state and own[name].is_floating_point() and own[name].dtype != state[name].dtype
    }
    absent = any(name not in state and name.rpartition(".")[2] == COUNTER for name in own)
    return [*sorted(converted), *([f"the file has no {COUNTER}, on which no output depends"] if absent else [])]


def misfit(model: nn.Module, checkpoint: Checkpoint) -> str:
    """Say what keeps the weights of a checkpoint from fitting a model.

    Args:
        model: The network; of a tensor that it has under several names the file may have one.
        checkpoint: Where the weights come from.

    Returns:
        Which tensors are missing, left over or of another shape; empty if they fit.
    """
    own, theirs = shapes_of(model.state_dict()), shapes_of(_renamed(model, checkpoint))
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    present = {name for tied in names.values() if any(one in theirs for one in tied) for name in tied}
    faults = {
        "missing in the file": [name for name in own if name not in theirs and name not in present],
        "not in the model": [name for name in theirs if name not in own],
        "of another shape": [
            f"{name} {theirs[name]} for {own[name]}" for name in own if theirs.get(name, own[name]) != own[name]
        ],
    }
    return "; ".join(f"{kind}: {listed(names)}" for kind, names in faults.items() if names)


@dataclass(frozen=True)
class Stored:
    """Weights as they lie in a checkpoint that is mapped into memory.

    Attributes:
        path: The file.
        tensors: The weights by the names of the model's state dict; they are only to be read.
        stamp: Number, size and time of the file.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    stamp: tuple[int, int, int]

    @classmethod
    def of(cls, model: nn.Module, checkpoint: Checkpoint) -> Stored | None:
        """The weights that a model was given, where they can be read back.

        Args:
            model: The network.
            checkpoint: Where its weights come from.

        Returns:
            The weights; None where the file cannot be mapped.
        """
        if not checkpoint.mapped:
            return None
        return cls(checkpoint.path, _renamed(model, checkpoint), _stamp(checkpoint.path))

    def check(self) -> None:
        """See that nobody has written to the file; one that is removed or replaced lives on for as long as needed.

        Raises:
            LandscapeError: If somebody has.
        """
        try:
            now = _stamp(self.path)
        except OSError:
            return
        if now[0] == self.stamp[0] and now != self.stamp:
            raise LandscapeError(
                f"{self.path} was written to while it was read from, so that the trained weights are lost: "
                "give a copy that nothing writes to"
            )


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _renamed(model: nn.Module, checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The weights of a checkpoint under the names of the model's state dict."""
    prefix = shared_prefix(model.state_dict())
    return {prefix + name: tensor for name, tensor in checkpoint.state.items()}


def _words(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _advice(checkpoint: Checkpoint) -> str:
    if fitting := recognise(checkpoint.state):
        return f"; they fit --model {' or '.join(repr(spec) for spec in fitting)}"
    near = nearest_model(checkpoint.state)
    return f"; the nearest known model is {near!r}" if near else "; pass the model they belong to with --model"


def _check_finite(checkpoint: Checkpoint) -> None:
    counts = {name: _not_finite(tensor) for name, tensor in checkpoint.state.items() if tensor.is_floating_point()}
    broken = [f"{name} ({count} of {checkpoint.state[name].numel()} values)" for name, count in counts.items() if count]
    if broken:
        raise LandscapeError(
            f"the weights of {checkpoint.name} must be finite, but there are NaN or infinite values in "
            f"{listed(broken)}; pass an earlier checkpoint"
        )


def _not_finite(tensor: Tensor) -> int:
    """Number of values that are NaN or infinite, counted part by part: the whole would need as much memory again."""
    parts = tensor.contiguous().view(-1).split(PART)  # type: ignore[no-untyped-call]
    return sum(int((~(part if part.element_size() > 1 else part.float()).isfinite()).sum()) for part in parts)
