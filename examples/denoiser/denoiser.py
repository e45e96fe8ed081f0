"""A task that is no classification: predict the noise in an image of a known class, at a known noise level.

The data, for any command of landscape:

    landscape compute --ckpt denoiser_ada-layer.pt --data examples/denoiser/denoiser.py:noised --loss mse

The networks, alike but for their normalization (two minutes each on an idle core):

    python examples/denoiser/denoiser.py ada-layer ada-instance layer instance none
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from landscape.data import load_data
from landscape.models import build_model
from landscape.models.denoiser import packed
from landscape.models.initialisation import generator, initialise

IMAGES = "fashion-mnist-mini"
HERE = "examples/denoiser/denoiser.py:noised"
Pairs = tuple[Tensor, Tensor]


def noised(split: str = "test", seed: int = 0, images: str = IMAGES) -> Pairs:
    """Images with fixed noise, so that the loss is a function of the weights alone.

    Args:
        split: Which part of the images.
        seed: The noise level and the noise of an image depend on it, on the split and on the image's place in it.
        images: Spec of the images.

    Returns:
        Packed inputs, shape (N, C + 2, H, W), and the noise to be predicted, shape (N, C, H, W).
    """
    return with_noise(*load_data(images, split).tensors(), generator(seed, "noise", split))


def with_noise(images: Tensor, labels: Tensor, random: np.random.Generator) -> Pairs:
    """x_t = cos(pi t / 2) x + sin(pi t / 2) noise, for t uniform in [0, 1] and standard normal noise.

    The images have mean 0 and variance 1 over the set, nearly, and so has x_t at any t.
    """
    levels = torch.from_numpy(random.random(len(images), dtype=np.float32))
    noise = torch.from_numpy(random.standard_normal(tuple(images.shape), dtype=np.float32))
    angles = (math.pi / 2 * levels)[:, None, None, None]
    return packed(angles.cos() * images + angles.sin() * noise, levels, labels), noise


@torch.no_grad()
def measure(model: nn.Module, inputs: Tensor, noise: Tensor) -> float:
    """Mean squared error over all the data, in eval mode."""
    model.eval()
    parts = zip(inputs.split(500), noise.split(500), strict=True)
    total = sum(mse_loss(model(one), target).item() * len(one) for one, target in parts)
    model.train()
    return total / len(inputs)


def misled(inputs: Tensor, classes: int = 10) -> Tensor:
    """The same inputs with the next class in place of the right one."""
    inputs = inputs.clone()
    inputs[:, -1] = (inputs[:, -1] + 1) % classes
    return inputs


def spec_of(norm: str) -> str:
    """The network, half as wide as usual, so that training takes minutes."""
    return f"denoiser(norm={norm!r}, width=8)"


def train(norm: str, options: argparse.Namespace) -> nn.Module:
    """Train a network by Adam, its learning rate along a cosine; noise is drawn anew in each epoch, alike for all."""
    model = build_model(spec_of(norm))
    initialise(model, options.seed)
    images, labels = load_data(options.images, "train").tensors()
    optimizer = torch.optim.Adam(model.train().parameters(), lr=options.learning_rate)
    steps = options.epochs * math.ceil(len(images) / options.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(options.epochs):
        start, loss = time.perf_counter(), 0.0
        random = generator(options.seed, "training", epoch)
        order = torch.from_numpy(random.permutation(len(images)))
        for index in order.split(options.batch_size):
            inputs, noise = with_noise(images[index], labels[index], random)
            optimizer.zero_grad()
            error = mse_loss(model(inputs), noise)
            torch.autograd.backward(error)
            optimizer.step()
            schedule.step()
            loss += error.item() * len(index)
        seconds = time.perf_counter() - start
        print(f"{norm:12s} epoch {epoch + 1:2d}  loss {loss / len(images):.4f}  {seconds:.1f} s", flush=True)
    return model


def save(norm: str, model: nn.Module, options: argparse.Namespace) -> Path:
    """Write the checkpoint, with what it takes to use it and to make it again."""
    inputs, noise = noised("test", images=options.images)
    found = {
        "train_loss": measure(model, *noised("train", images=options.images)),
        "test_loss": measure(model, inputs, noise),
        "test_loss_wrong_class": measure(model, misled(inputs), noise),
    }
    print(f"{norm:12s}", *(f"{name} {value:.4f}" for name, value in found.items()))
    path = Path(options.out) / f"denoiser_{norm}.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "state_dict": model.state_dict(),
        "landscape": {"model": spec_of(norm), "data": HERE},
        **found,
        "epochs": options.epochs,
        "learning_rate": options.learning_rate,
        "seed": options.seed,
        "batch_size": options.batch_size,
    }
    torch.save(content, path)
    return path


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("norms", nargs="+", help="normalizations, each a network")
    parser.add_argument("--images", default=IMAGES, help="as --data of landscape compute")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=60)
    parser.add_argument("--learning-rate", type=float, default=0.002)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default=".", help="folder for the checkpoints denoiser_NORM.pt")
    return parser.parse_args()


def main() -> None:
    """Train and save."""
    options = arguments()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    for norm in options.norms:
        print(save(norm, train(norm, options), options))


if __name__ == "__main__":
    main()
