"""From what a user names to what can be evaluated: a model with its weights, and the data of each split."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from landscape.data import DATASETS, Batches, Examples, load_examples
from landscape.errors import LandscapeError, listed
from landscape.evaluation import Task, make_task, statistics_layers, strict_arithmetic
from landscape.evaluation.metrics import PerExample
from landscape.models import MODELS, build_model
from landscape.models.checkpoint import Checkpoint, read_checkpoint
from landscape.models.loading import Stored, load_weights
from landscape.models.recognition import recognise
from landscape.parameters import preserved
from landscape.registry import Spec

TRIAL_EXAMPLES = 500


@dataclass(frozen=True)
class Inputs:
    """What a run starts from.

    Attributes:
        model: The network with its weights, on the CPU or wherever the caller has it.
        name: Name of the checkpoint file, or `"object"`.
        sha256: Digest of the file, or of the object's state dict.
        model_spec: How the model was built, or `"object"`.
        weights: Which weights of the file were taken.
        data_spec: What names the data.
        batches: The examples of each split.
        stated: The accuracy that the checkpoint states of itself, as a fraction, by the name of its entry.
        notes: Whatever was recognised or assumed, a sentence each.
        calibration: The images over which BatchNorm's statistics are estimated anew; None where that is not asked
            for, or the network keeps none.
        calibration_spec: What names them.
        stored: The weights as they lie in the file, where they are to be read back from it and can be.
        sizes: How many examples each split has in all.
    """

    model: nn.Module
    name: str
    sha256: str
    model_spec: str
    weights: str
    data_spec: str
    batches: Mapping[str, Batches]
    stated: Mapping[str, float]
    notes: tuple[str, ...]
    calibration: Batches | None = None
    calibration_spec: str = ""
    stored: Stored | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)


def from_checkpoint(
    path: str | Path,
    model: str | nn.Module | None,
    data: Any,
    splits: Sequence[str],
    samples: str,
    *,
    loss: str | PerExample = "cross-entropy",
    trust: bool = False,
    key: str | None = None,
    bn_data: Any = None,
    bn_samples: str | None = None,
    low_memory: bool = False,
) -> Inputs:
    """Open a checkpoint, find the model it belongs to, and load the data.

    Args:
        path: The checkpoint.
        model: Spec of the model, or a network of which a copy gets the weights; None to take what the checkpoint says
            of itself, or to recognise it.
        data: Spec of the data, or a loader; None to take what the checkpoint says of itself.
        splits: Names of the splits.
        samples: Which examples of each.
        loss: What is measured, where models have to be told apart by evaluating them.
        trust: Whether files that may run code may be loaded.
        key: Which weights of the file; None for the usual ones.
        bn_data: Spec of the calibration data, or a loader; None for the training split of the data.
        bn_samples: Which of them; None to load none.
        low_memory: Whether to keep nothing in memory that can be read again, neither weights nor examples.

    Returns:
        The inputs.

    Raises:
        LandscapeError: If something is missing, broken or does not fit; it says what to pass.
    """
    checkpoint = read_checkpoint(path, trust=trust, key=key)
    candidates = _candidates(checkpoint, model, trust)
    data = data if data is not None else _stated(checkpoint, "data", trust)
    if data is None:
        raise LandscapeError(_data_wanted(checkpoint, candidates))
    keep_training = bn_samples is not None and bn_data is None
    examples = load_examples(data, splits, samples, keep_training, low_memory)
    network, spec, chosen = _fitting(checkpoint, candidates, examples.batches, loss)
    examples, unused = _calibrated(examples, network, bn_data, bn_samples)
    return Inputs(
        network,
        checkpoint.name,
        checkpoint.sha256,
        spec,
        checkpoint.key,
        examples.spec,
        examples.batches,
        checkpoint.stated,
        tuple(dict.fromkeys((*checkpoint.notes, *chosen, *examples.notes, *unused))),
        examples.calibration,
        examples.calibration_spec,
        Stored.of(network, checkpoint) if low_memory else None,
        examples.sizes,
    )


def from_objects(
    model: nn.Module,
    data: Any,
    splits: Sequence[str],
    samples: str,
    *,
    bn_data: Any = None,
    bn_samples: str | None = None,
    low_memory: bool = False,
) -> Inputs:
    """Take a model and data that the caller already holds.

    Args:
        model: The network, with its weights.
        data: Spec of the data, or a Dataset, DataLoader or iterable of (input, target) batches.
        splits: Names of the splits.
        samples: Which examples of each.
        bn_data: As for `from_checkpoint`.
        bn_samples: As for `from_checkpoint`.
        low_memory: As for `from_checkpoint`.

    Returns:
        The inputs; the model is the caller's own.
    """
    keep_training = bn_samples is not None and bn_data is None
    examples = load_examples(data, splits, samples, keep_training, low_memory)
    examples, unused = _calibrated(examples, model, bn_data, bn_samples)
    return Inputs(
        model,
        "object",
        _state_digest(model),
        _object_spec(model),
        "",
        examples.spec,
        examples.batches,
        {},
        (*examples.notes, *unused),
        examples.calibration,
        examples.calibration_spec,
        sizes=examples.sizes,
    )


def _calibrated(
    examples: Examples, model: nn.Module, bn_data: Any, bn_samples: str | None
) -> tuple[Examples, tuple[str, ...]]:
    """The examples with those for calibration, where they are asked for and of use to the network; and a note."""
    if bn_samples is None:
        return examples, ()
    if statistics_layers(model):
        return examples.calibrated(bn_data, bn_samples), ()
    unused = "the network keeps no running statistics, so that nothing is recalibrated: --bn-data is not loaded"
    return examples, () if bn_data is None else (unused,)


def _candidates(checkpoint: Checkpoint, model: str | nn.Module | None, trust: bool) -> list[str | nn.Module]:
    """What the weights may belong to, the likeliest first."""
    for given in (model, checkpoint.module, _stated(checkpoint, "model", trust)):
        if given is not None:
            return [given]
    specs = recognise(checkpoint.state)
    if specs:
        return list(specs)
    first = (f"{name} {tuple(tensor.shape)}" for name, tensor in checkpoint.state.items())
    raise LandscapeError(
        f"cannot tell which model {checkpoint.name} belongs to (its tensors begin {listed(first, 3)}): pass it with "
        f"--model, one of {', '.join(MODELS.names())}, 'torchvision:NAME', 'timm:NAME' or 'file.py:factory'"
    )


def _stated(checkpoint: Checkpoint, kind: str, trust: bool) -> str | None:
    """What a checkpoint says of its model or data, as long as that cannot run code.

    A spec with a colon is an import path: any function of any module, called with any arguments.

    Raises:
        LandscapeError: If it could, and the file is not trusted.
    """
    if kind not in checkpoint.metadata:
        return None
    text = str(checkpoint.metadata[kind])
    spec = Spec.parse(text)
    library = spec.target.split(":")[0] in ("torchvision", "timm") and kind == "model"
    if not trust and (
        (":" in spec.target and not library) or ":" in repr(dict(spec.kwargs).values()) or "download" in spec.kwargs
    ):
        raise LandscapeError(
            f"{checkpoint.name} names {text!r} as its {kind}, which would run code or fetch files: pass "
            f"--{kind} yourself, or --trust if you know where the file comes from"
        )
    return text


def _data_wanted(checkpoint: Checkpoint, candidates: Sequence[str | nn.Module]) -> str:
    model = f" (recognised as {candidates[0]})" if isinstance(candidates[0], str) else ""
    return (
        f"{checkpoint.name}{model} does not say which data it was trained for: pass them with --data, "
        f"one of {', '.join(DATASETS.names())}, a .npz file with images and labels, a folder of class folders, "
        f"or 'file.py:loader'; for example: landscape compute --ckpt {checkpoint.name} --data \"cifar10(root='data')\""
    )


def _fitting(
    checkpoint: Checkpoint,
    candidates: Sequence[str | nn.Module],
    batches: Mapping[str, Batches],
    loss: str | PerExample,
) -> tuple[nn.Module, str, tuple[str, ...]]:
    """Build the candidates and keep the one that the weights belong to."""
    if isinstance(only := candidates[0], nn.Module):
        if only is checkpoint.module:
            return only, "pickled", (f"the model is the pickled {type(only).__name__}",)
        network = copy.deepcopy(only)
        return network, _object_spec(network), tuple(load_weights(network, checkpoint))
    built: dict[str, tuple[nn.Module, list[str]]] = {}
    for spec in candidates:
        network = build_model(str(spec))
        built[str(spec)] = network, load_weights(network, checkpoint)
    if len(built) == 1:
        (spec, (network, notes)), given = next(iter(built.items())), ""
    else:
        spec, given = _by_evaluation(checkpoint, {name: one for name, (one, _) in built.items()}, batches, loss)
        network, notes = built[spec]
    identity = Spec.parse(spec).identity()
    return network, identity, (given or f"the model is {identity}", *notes)


def _by_evaluation(
    checkpoint: Checkpoint, candidates: Mapping[str, nn.Module], batches: Mapping[str, Batches], loss: str | PerExample
) -> tuple[str, str]:
    """Names and shapes fit several models: evaluate each on a few hundred examples."""
    split, data = next(iter(batches.items()))
    few = data.subset(f"first:{min(TRIAL_EXAMPLES, len(data))}")
    task = make_task({split: few}, loss)
    if "accuracy" not in task.names:
        raise LandscapeError(f"the weights fit several models: pass --model, one of {', '.join(candidates)}")
    measured = {spec: _accuracy(network, task, few) for spec, network in candidates.items()}
    table = ", ".join(f"{spec} {value:.1%}" for spec, value in measured.items())
    seen = f"the weights fit {len(measured)} models; on {len(few)} {split} examples: {table}"
    if checkpoint.stated:
        target = next(iter(checkpoint.stated.values()))
        error = 3 * math.sqrt(max(target * (1 - target), 1 / len(few)) / len(few))
        fitting = [spec for spec, value in measured.items() if abs(value - target) <= error]
        seen += f"; the checkpoint states {target:.2%}"
    else:
        best = max(measured.values())
        error = 6 * math.sqrt(max(best * (1 - best), 1 / len(few)) / len(few))
        fitting = [spec for spec, value in measured.items() if value >= best - error]
    if len(fitting) == 1:
        return fitting[0], f"recognised {fitting[0]}: {seen}"
    raise LandscapeError(f'{seen}: say which one is meant, for example --model "{(fitting or list(measured))[0]}"')


def _accuracy(model: nn.Module, task: Task, data: Batches) -> float:
    row = task.names.index("accuracy")
    with preserved(model), strict_arithmetic(), torch.inference_mode():
        task.check(model)
        hits = [task.per_example(model, inputs, targets)[row].sum() for inputs, targets in data.split(250)]
    return float(sum(hits)) / len(data)


def _object_spec(model: nn.Module) -> str:
    """A name for a network that is not built from a spec: two that print differently are not the same."""
    return "object#" + hashlib.sha256(repr(model).encode()).hexdigest()[:12]


def _state_digest(model: nn.Module) -> str:
    """sha256 over names and bytes of the state dict."""
    total = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        if isinstance(tensor, torch.Tensor):
            total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
            total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
