"""Make the data set that comes with the package: a stratified part of Fashion-MNIST.

    python examples/make_fashion_mnist_mini.py --root /usr/share/datasets/fashion-mnist

takes equally many images of each class, at random with a fixed seed, from the official test and train
split (2,000 and 6,000 images), keeps them in their original order and as they are (uint8), and writes one
compressed file. The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from landscape.data import load_data
from landscape.data.imageset import ImageSet
from landscape.registry import Spec

SIZES = {"test": 2000, "train": 6000}
LICENCE = """\
Fashion-MNIST (https://github.com/zalandoresearch/fashion-mnist), of which fashion_mnist_mini.npz is a part:

The MIT License (MIT)

Copyright (c) 2017 Zalando SE, https://tech.zalando.com

Permission is hereby granted, free of charge, to any person obtaining a
copy of this software and associated documentation files (the "Software"),
to deal in the Software without restriction, including without limitation
the rights to use, copy, modify, merge, publish, distribute, sublicense,
and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included
in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS
OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT.
IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY
CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT,
TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def stratified(labels: NDArray[np.int64], number: int, seed: int) -> NDArray[np.int64]:
    """Indices of `number` examples in their original order, equally many of each class."""
    generator = np.random.Generator(np.random.Philox(seed))
    classes = np.unique(labels)
    each = [generator.choice(np.flatnonzero(labels == c), number // len(classes), replace=False) for c in classes]
    return np.sort(np.concatenate(each))


def write_npz(path: Path, arrays: dict[str, NDArray[np.generic]]) -> None:
    """Write a compressed .npz whose bytes depend on the arrays alone: fixed dates, best compression."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, buffer.getvalue(), compresslevel=9)


def main() -> None:
    """Read the full set, choose, write the images and the licence."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=None, help="folder with the full Fashion-MNIST (default: Debian's)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "landscape" / "assets")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    arrays: dict[str, NDArray[np.generic]] = {}
    for split, number in SIZES.items():
        full = load_data(Spec("fashion-mnist", {"root": options.root}), split)
        assert isinstance(full, ImageSet)
        index = stratified(full.labels, number, options.seed)
        arrays[f"{split}_images"] = full.images[index, 0]
        arrays[f"{split}_labels"] = full.labels[index].astype(np.uint8)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "fashion_mnist_mini.npz"
    write_npz(path, arrays)
    (options.out / "FASHION-MNIST-LICENSE").write_text(LICENCE, encoding="utf-8")
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {', '.join(f'{n} {s}' for s, n in SIZES.items())} images")


if __name__ == "__main__":
    main()
