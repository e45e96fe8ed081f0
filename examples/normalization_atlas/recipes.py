"""What the atlas trains: the networks, the normalizations of each, and how all of them are trained alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

DATA = "fashion-mnist"
IMAGES = 6_000  # training images, a fixed subset
HEADLINE = ("batch", "none", "group", "layer", "scaled-ws")
SEEDS = (0, 1, 2)  # of the headline norms; seed 0 of the others
SEARCH_SEED = 100
CONVOLUTIONAL = (
    *("none", "batch", "batch(eval_weight=0.1)", "frozen-batch", "ghost-batch(size=32)", "batch-group"),
    *("layer", "group", "instance", "rms", "switchable"),
    *("weight-norm", "spectral-norm", "weight-standardization", "scaled-ws"),
    *("local-response", "divisive", "global-response"),
)


@dataclass(frozen=True)
class Variant:
    """One row of the atlas.

    Attributes:
        name: What it is called in tables and folders.
        spec: The network.
        headline: Whether it is trained from several seeds.
        clipping: Factor of adaptive gradient clipping (Brock et al. 2021, 2102.06171), or None.
        decays: Whether its weights decay; those of nGPT, whose length is 1 by construction, do not.
    """

    name: str
    spec: str
    headline: bool = False
    clipping: float | None = None
    decays: bool = True


@dataclass(frozen=True)
class Net:
    """A network with its normalizations, and how they are trained: alike but for the learning rate.

    Attributes:
        title: For tables and figures.
        variants: The rows.
        optimizer: `adam`, `adamw` or `sgd` (momentum 0.9).
        rates: Learning rates of the search.
        epochs: Of the final runs; the rate falls to 0 along a cosine.
        search_epochs: Of the runs of the search.
        batch_size: Images in a batch.
        weight_decay: Of all parameters with two or more axes.
        scheme: Of the first weights, see `landscape.models.initialise`.
    """

    title: str
    variants: Sequence[Variant]
    optimizer: str
    rates: Sequence[float]
    epochs: int
    search_epochs: int
    batch_size: int
    weight_decay: float
    scheme: str


def _convolutional(template: str, norms: Sequence[str] = CONVOLUTIONAL) -> list[Variant]:
    return [Variant(norm, template.format(norm=norm), norm in HEADLINE) for norm in norms]


def _vit(name: str, settings: str, headline: bool = False) -> Variant:
    return Variant(name, f"vit(patch=7, depth=4, width=48, heads=4, size=28, in_channels=1, {settings})", headline)


_TOKENS = (
    *(_vit(f"{norm}, pre", f"norm={norm!r}", norm in HEADLINE) for norm in ("layer", "rms", "scale", "fix", "batch")),
    *(_vit(f"{norm}, post", f"norm={norm!r}, placement='post'") for norm in ("layer", "rms", "scale", "batch")),
    _vit("layer, pre, qk", "norm='layer', qk=True"),
    _vit("layer, pre, batch-value", "norm='layer', value_norm='batch'", True),
    _vit("layer, pre, batch-value, GELU", "norm='layer', value_norm='batch', value_activation='gelu'", True),
    _vit("layer, post, batch-value", "norm='layer', placement='post', value_norm='batch'"),
    replace(_vit("unit weights (nGPT)", "norm='unit'"), decays=False),
    *(
        _vit(norm, f"norm={norm!r}", norm in HEADLINE)
        for norm in CONVOLUTIONAL
        if norm not in ("layer", "rms", "batch")
    ),
)

NETS = {
    "lenet-sigmoid": Net(
        "LeNet, sigmoid", _convolutional("lenet(norm={norm!r})"), "adam", (0.001, 0.003, 0.01, 0.03), 15, 3, 128, 0.0,
        "torch",
    ),
    "lenet-relu": Net(
        "LeNet, ReLU", _convolutional("lenet(norm={norm!r}, activation='relu')"), "adam",
        (0.0003, 0.001, 0.003, 0.01), 15, 3, 128, 0.0, "torch",
    ),
    "resnet": Net(
        "ResNet-8",
        [
            *_convolutional("resnet(depth=8, width=8, in_channels=1, norm={norm!r})"),
            Variant("nf-resnet", "nf-resnet(depth=8, width=8, in_channels=1, shortcut='pad')", clipping=0.02),
        ],
        "sgd", (0.01, 0.03, 0.1, 0.3), 10, 2, 128, 5e-4, "he",
    ),
    "vit": Net("ViT", _TOKENS, "adamw", (0.0005, 0.0015, 0.005, 0.015), 15, 3, 128, 0.05, "small"),
}  # fmt: skip
