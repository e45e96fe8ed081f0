"""Data: image sets by name, from files and folders, and the user's own loaders."""

from landscape.data.batches import Batches, materialise
from landscape.data.imageset import ImageSet

__all__ = ["Batches", "ImageSet", "materialise"]
