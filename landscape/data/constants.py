"""Mean and standard deviation of each channel that networks are usually trained with."""

from __future__ import annotations

from collections.abc import Sequence

from landscape.errors import LandscapeError, nearest

Given = float | Sequence[float] | str | None
Channels = tuple[float, ...] | None

CONSTANTS: dict[str, tuple[Channels, Channels]] = {
    "cifar10": (
        (125.3 / 255, 123.0 / 255, 113.9 / 255),
        (63.0 / 255, 62.1 / 255, 66.7 / 255),
    ),
    "cifar100": ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
    "mnist": ((0.1307,), (0.3081,)),
    "fashion-mnist": ((0.2860,), (0.3530,)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "none": (None, None),
}


def normalisation(
    mean: Given, std: Given, channels: int, usual: str = "none"
) -> tuple[Channels, Channels, tuple[str, ...]]:
    """Settle mean and std from what a user gave and what is usual for the set.

    Args:
        mean: A number for all channels, one for each, the name of a set whose constants to take
            (which then sets std too, unless that is given), `"none"`, or None for not given.
        std: Likewise, for std alone.
        channels: How many channels the images have.
        usual: The set whose constants are meant where nothing is given.

    Returns:
        Mean, std (one number for each channel, or None for nothing) and notes on what was assumed.

    Raises:
        LandscapeError: If a name is unknown or a value is not made of numbers.
    """
    notes: list[str] = []
    if isinstance(mean, str) and std is None:
        std = mean
        notes.append(f"mean={mean!r} also sets std")
    assumed = [name for name, value in (("mean", mean), ("std", std)) if value is None]
    if assumed and usual != "none":
        notes.append(f"{' and '.join(assumed)} not given: the usual {usual} constants are taken")
    return (
        _channels("mean", usual if mean is None else mean, channels),
        _channels("std", usual if std is None else std, channels),
        tuple(notes),
    )


def _channels(name: str, value: float | Sequence[float] | str, channels: int) -> Channels:
    if isinstance(value, str):
        if value not in CONSTANTS:
            raise LandscapeError(f"{name}= knows no set {value!r}; {nearest(value, CONSTANTS)}, or give numbers")
        return CONSTANTS[value][0 if name == "mean" else 1]
    try:
        numbers = (float(value),) * channels if isinstance(value, (int, float)) else tuple(map(float, value))
    except (TypeError, ValueError):
        raise LandscapeError(
            f"{name}= takes a number, one number for each channel, or a name such as 'imagenet', not {value!r}"
        ) from None
    return numbers
