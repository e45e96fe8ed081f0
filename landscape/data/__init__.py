"""Data: image sets by name, from files and folders, and the user's own loaders."""

from landscape.data.batches import Batches, materialise
from landscape.data.imageset import ImageSet
from landscape.data.loading import DATASETS, load_data

__all__ = ["DATASETS", "load_data", "ImageSet", "Batches", "materialise"]
