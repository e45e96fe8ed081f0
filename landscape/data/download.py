"""Downloads, by torchvision, and only where the user asks for one."""

from __future__ import annotations

from pathlib import Path

from landscape.errors import LandscapeError, SurroundingsError


def download_with_torchvision(name: str, split: str, root: str | None) -> None:
    """Let torchvision fetch a data set into its own layout.

    Args:
        name: Name of the class in `torchvision.datasets`.
        split: `"train"` or `"test"`.
        root: Where to; the set goes into a folder below it.

    Raises:
        LandscapeError: If no root is given.
        SurroundingsError: If torchvision is missing, or the download fails.
    """
    if root is None:
        raise LandscapeError("download=True needs a folder to download into: add root='FOLDER'")
    try:
        from torchvision import datasets

        getattr(datasets, name)(str(Path(root).expanduser()), train=split == "train", download=True)
    except Exception as error:  # torchvision raises whatever its mirrors make of a failure
        raise SurroundingsError(f"torchvision could not download {name} into {root!r}: {error}") from error
