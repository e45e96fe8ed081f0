"""Small networks of several kinds, with BatchNorms that are not trivial, and their surfaces by brute force."""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn import functional

from landscape.models import build_model
from landscape.parameters import Direction, ParameterSpace, Subspace

POINTS = list(itertools.product((-0.6, 0.0, 0.4), repeat=2))
IMAGES = {
    "lenet(norm='batch')": (1, 28, 28),
    "lenet(norm='batch', activation='relu', pool='avg')": (1, 28, 28),
    "mlp(inputs=36, hidden=(16, 12), norm='batch')": (1, 6, 6),
    "resnet(depth=8, width=4)": (3, 8, 8),
    "resnet(depth=8, width=4, shortcut='conv')": (3, 8, 8),
    "vgg(depth=11, width=4)": (3, 32, 32),
}
CHAINS = {
    "lenet(activation='relu')": (1, 28, 28),
    "mlp(inputs=36, hidden=(16, 12, 8))": (1, 6, 6),
    "resnet(depth=8, width=4, norm='none')": (3, 8, 8),
    "resnet(depth=8, width=4, norm='none', shortcut='none')": (3, 8, 8),
    "vgg(depth=11, width=4, norm='none')": (3, 32, 32),
}


def network(spec: str, dtype: torch.dtype = torch.float64, seed: int = 0) -> tuple[nn.Module, torch.Tensor]:
    """Build a network in eval mode, and 24 images for it."""
    torch.manual_seed(seed)
    net = build_model(spec).to(dtype)
    images = torch.randn(24, *{**IMAGES, **CHAINS}[spec], dtype=dtype)
    return unsettled(net, images), images


def unsettled(net: nn.Module, images: torch.Tensor) -> nn.Module:
    """Give layers weights that carry the signal, and BatchNorms gammas of both signs, betas, and running statistics
    near those of the images, but not at them.
    """
    for module in net.modules():
        if isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    with torch.no_grad():
        for norm in norms:
            if norm.affine:
                norm.weight.copy_((0.5 + torch.rand_like(norm.weight)) * torch.randn_like(norm.weight).sign())
                norm.bias.normal_(0, 0.3)
        moments = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 1.0
        net.train()(images)
        for norm, momentum in zip(norms, moments, strict=True):
            norm.momentum = momentum
            norm.running_mean.add_(0.2 * norm.running_var.sqrt() * torch.randn_like(norm.running_mean))
            norm.running_var.mul_(0.7 + torch.rand_like(norm.running_var))
    return net.eval()


def with_batch_statistics(net: nn.Module) -> nn.Module:
    """Put nothing but the BatchNorms into train mode."""
    for module in net.modules():
        module.training = isinstance(module, nn.modules.batchnorm._BatchNorm)
    return net


def surface(net: nn.Module, images: torch.Tensor, directions: list[Direction]) -> torch.Tensor:
    """The mean cross-entropy at `POINTS`, one after the other, in float64."""
    targets = torch.arange(len(images)) % 10
    subspace = Subspace(ParameterSpace(net, "all"), directions)
    losses = []
    for point in POINTS:
        with torch.no_grad(), subspace.at(point):
            losses.append(functional.cross_entropy(net(images).double(), targets))
    return torch.stack(losses)


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference, relative to the larger of the two largest numbers."""
    one, other = one.detach(), other.detach()
    return float((one - other).abs().max() / torch.maximum(one.abs().max(), other.abs().max()))
