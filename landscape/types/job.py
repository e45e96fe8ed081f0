"""The job: all that may change the answer, as plain data."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from landscape.types.grid import Axis, Grid

POLICIES = ("frozen", "batch", "recalibrate")
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
UNKNOWN = "unknown"  # what a file that was imported does not say; digests of the unknown begin with it


@dataclass(frozen=True)
class Job:
    """All that may change the answer, as plain text and numbers; its hash names the run.

    Attributes:
        checkpoint: Name of the checkpoint file, or `"object"` for a model given as an object.
        checkpoint_sha256: Digest of that file, or of the object's state dict.
        model: Spec of the model.
        weights: Which weights of the file were taken.
        data: Spec of the data, without folders.
        data_digest: For each split, the digest of its raw images and labels.
        preprocessing: For each split, what is done to the raw images.
        samples: `"all"`, `"N"` (a fixed random subset) or `"first:N"`; `"unknown"` or `"unknown:N"` of an import.
        loss: Spec of the loss.
        metrics: Specs of the metrics.
        directions: `"random"`, or the name of the file they come from.
        directions_sha256: Digest of that file, or empty.
        normalize: Name of the normalizer.
        perturb: `"weights"`, `"weights+bias"` or `"all"`.
        parametrization: `"effective"` or `"raw"`.
        roles: Overrides `PATTERN=ROLE:AXIS`.
        seed: Seed of the random directions.
        x: Coordinates along the first direction.
        y: Coordinates along the second, or `"none"`.
        bn_stats: Policy for the running statistics of BatchNorm, one of `POLICIES`, or `"all"`.
        bn_data: Spec of the calibration data of `recalibrate`; empty where nothing is recalibrated.
        bn_digest: Digest of its raw images and labels.
        bn_preprocessing: What is done to them, augmentation included.
        bn_samples: Which of them, as `samples`.
        bn_batch_size: Examples in a batch whose statistics are taken, for `batch` and `recalibrate`; 0 for `frozen`.
        fold_bn: Whether BatchNorm was folded into the weights before they were perturbed.
        repeats: Number of independent draws of the directions.
        repeat: Number of the first of them: 0, but for one that was selected from several.
        precision: Arithmetic of the forward pass.
        correction: Share of the examples that are evaluated in fp32, too, to correct a lower precision; 0 for none.
        adaptive: Tolerance at which refining stopped, as a fraction of the plotted range; 0 for the full grid.
    """

    checkpoint: str
    checkpoint_sha256: str
    model: str
    data: str
    data_digest: Mapping[str, str]
    loss: str
    x: str
    y: str = "none"
    weights: str = ""
    preprocessing: Mapping[str, str] = field(default_factory=dict)
    samples: str = "all"
    metrics: tuple[str, ...] = ()
    directions: str = "random"
    directions_sha256: str = ""
    normalize: str = "filter"
    perturb: str = "weights"
    parametrization: str = "effective"
    roles: tuple[str, ...] = ()
    seed: int = 0
    bn_stats: str = "frozen"
    bn_data: str = ""
    bn_digest: str = ""
    bn_preprocessing: str = ""
    bn_samples: str = ""
    bn_batch_size: int = 0
    fold_bn: bool = False
    repeats: int = 1
    repeat: int = 0
    precision: str = "fp32"
    correction: float = 0.0
    adaptive: float = 0.0

    @property
    def grid(self) -> Grid:
        """The grid that `x` and `y` describe."""
        return Grid(tuple(Axis.parse(text) for text in (self.x, self.y) if text != "none"))

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are evaluated."""
        return tuple(self.data_digest)

    @property
    def counted(self) -> bool:
        """Whether the counts are numbers of examples; where these are unknown, a point that is done has the count 1."""
        return self.samples != UNKNOWN

    @property
    def policies(self) -> tuple[str, ...]:
        """The policies for BatchNorm's statistics that are evaluated."""
        return self.policies_of(self.bn_stats)

    def under(self, policy: str) -> Job:
        """The job of this policy alone, without the settings that it does not use."""
        job = dataclasses.replace(self, bn_stats=policy)
        if policy != "recalibrate":
            job = dataclasses.replace(job, bn_data="", bn_digest="", bn_preprocessing="", bn_samples="")
        return dataclasses.replace(job, bn_batch_size=0) if policy == "frozen" else job

    @staticmethod
    def policies_of(bn_stats: str) -> tuple[str, ...]:
        """What `bn_stats` stands for."""
        return POLICIES if bn_stats == "all" else (bn_stats,)

    def to_json(self) -> str:
        """The job as JSON text; the splits keep their order, the first one being what is shown."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Read a job back; fields that this version does not know are left out.

        Args:
            text: What `to_json` gave.

        Returns:
            The job.
        """
        known = {item.name for item in dataclasses.fields(cls)}
        values = {key: value for key, value in json.loads(text).items() if key in known}
        for key in ("metrics", "roles"):
            values[key] = tuple(values.get(key, ()))
        return cls(**values)

    def fingerprint(self) -> str:
        """The first 16 hexadecimal digits of the sha256 of the JSON with sorted keys."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def differences(self, other: Job) -> list[str]:
        """Name the fields in which two jobs differ, with both values."""
        fields = (item.name for item in dataclasses.fields(self))
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in fields)
        return [
            f"{name} ({_said(name, mine)} here, {_said(name, theirs)} there)"
            for name, mine, theirs in pairs
            if mine != theirs
        ]


def _said(name: str, value: Any) -> str:
    if name == "adaptive" and not value:
        return "every point"
    text = json.dumps(value) if isinstance(value, Mapping) else str(value)
    return (text if len(text) <= 60 else text[:57] + "...") or "nothing"
