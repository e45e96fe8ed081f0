"""Data: image sets by name, from files and folders, and the user's own loaders."""

from landscape.data.augment import AUGMENTATIONS
from landscape.data.batches import Batches
from landscape.data.capacity import fits
from landscape.data.imageset import ImageSet
from landscape.data.loaders import materialise
from landscape.data.loading import DATASETS, load_data, repeatable
from landscape.data.samples import up_to
from landscape.data.splits import Examples, load_examples
from landscape.data.strides import canonical

__all__ = [
    # by name
    "AUGMENTATIONS",
    "DATASETS",
    "load_data",
    "load_examples",
    # examples
    "Batches",
    "Examples",
    "ImageSet",
    "canonical",
    "fits",
    "materialise",
    "repeatable",
    "up_to",
]
