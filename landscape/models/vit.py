"""Vision transformers (Dosovitskiy et al. 2021, 2010.11929) for small images, with a choice of normalizations.

Names of parameters are those of timm (`cls_token, pos_embed, patch_embed.proj, blocks.0.attn.qkv, ..., norm, head`), so
that its checkpoints load; their norms are `layer(eps=1e-06)`.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, fx, nn

from landscape.errors import LandscapeError, nearest, require_switches
from landscape.models.norms import Norm, build_norm
from landscape.models.norms.norm import unwrapped
from landscape.models.norms.tokens import Gain
from landscape.models.settings import require_positive
from landscape.models.shapes import Shapes, minimal_spec, possible_norms
from landscape.models.transformer import PLACEMENTS, Plan
from landscape.registry import Spec


class PatchEmbed(nn.Module):
    """A linear map of each patch, written as a convolution."""

    def __init__(self, in_channels: int, patch: int, plan: Plan) -> None:
        super().__init__()
        convolution = nn.Conv2d(in_channels, plan.width, patch, stride=patch, bias=not plan.sphere)
        self.proj = plan.norm.wrap_output(convolution)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W) to (N, patches, width)."""
        out: Tensor = self.proj(x)
        return out.flatten(2).transpose(1, 2)


def placed(tokens: Tensor, positions: Tensor) -> Tensor:
    """Add learned positions to tokens.

    Args:
        tokens: Shape (N, tokens, width).
        positions: Shape (1, tokens, width).

    Returns:
        Their sum.

    Raises:
        LandscapeError: If there are not as many tokens as positions.
    """
    patches, known = tokens.shape[1] - 1, positions.shape[1] - 1
    if patches != known:
        raise LandscapeError(
            f"a vision transformer with positions for {known} patches takes images of the one size that it was built "
            f"for, and these have {patches}: give such images, or build it with another size="
        )
    return tokens + positions


fx.wrap("placed")  # its check asks for a value, which a symbolic trace has not: it is one operation there


class ViT(nn.Module):
    """Patches and a class token as tokens, learned positions, blocks, and a linear layer on the class token."""

    parameter_roles: ClassVar = {"cls_token": "embedding:1", "pos_embed": "embedding:1"}

    def __init__(self, in_channels: int, patch: int, classes: int, placement: str, plan: Plan) -> None:
        super().__init__()
        width, norm = plan.width, plan.norm
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, plan.tokens, width))
        self.patch_embed = PatchEmbed(in_channels, patch, plan)
        self.embed_norm = norm.embedding(width)
        self.norm_pre = norm.of_tokens(width) if plan.sphere else nn.Identity()
        self.blocks = nn.Sequential(*(PLACEMENTS[placement](plan) for _ in range(plan.depth)))
        self.norm = norm.of_tokens(width) if placement == "pre" else nn.Identity()
        self.head = norm.head(plan.linear(width, classes))
        self.head_scale = Gain(classes, 1.0, width**-0.5) if plan.sphere else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, size, size) to logits (N, classes)."""
        patches = self.patch_embed(x)
        tokens = torch.cat([self.cls_token.expand(patches.shape[0], -1, -1), patches], dim=1)
        tokens = self.norm_pre(placed(self.embed_norm(tokens), self.pos_embed))
        logits: Tensor = self.head_scale(self.head(self.norm(self.blocks(tokens))[:, 0]))
        return logits


def vit(
    patch: int = 4,
    depth: int = 6,
    width: int = 192,
    heads: int = 3,
    norm: str | Norm = "layer",
    placement: str | None = None,
    qk: bool = False,
    value_norm: str | Norm = "none",
    mlp_ratio: int = 4,
    classes: int = 10,
    in_channels: int = 3,
    size: int = 32,
    activation: str = "gelu",
    value_activation: str = "identity",
) -> ViT:
    """Build a vision transformer: its norms are norm= with placement= pre or post, qk= and value_norm=.

    Args:
        patch: Height and width of a patch in pixels.
        depth: Number of blocks.
        width: Features of a token.
        heads: Heads of each attention.
        norm: Normalization of the slots, and of the weights of the blocks and the patch embedding. Checkpoints of timm
            want `layer(eps=1e-06)`.
        placement: `pre`, before attention and MLP, with one behind the last block; `post`, behind each sum;
            `sphere`, steps along the unit sphere in place of sums, for the norm `unit` alone, which always normalises
            queries and keys. Without it, `sphere` for that norm and `pre` for others.
        qk: Whether each head normalises queries and keys, with a learned factor in place of 1 / sqrt(features).
        value_norm: Normalization of the values; `batch` is what the lecture "Why BN is not used in Transformer"
            proposes: BatchNorm1d per channel, over all images and tokens.
        mlp_ratio: Features within an MLP, in multiples of the width.
        classes: Number of outputs.
        in_channels: Channels of the images.
        size: Height and width of the images in pixels, a multiple of the patch.
        activation: Activation of the MLPs.
        value_activation: Activation of the values, behind their normalization; the lecture's "give activation" may be
            read as `gelu`, here in addition to that of the MLPs.

    Returns:
        A network from (N, in_channels, size, size) to logits (N, classes).

    Raises:
        LandscapeError: If the sizes do not divide, a name is unknown, or the norm is not for this placement.
    """
    require_positive("vit", patch=patch, depth=depth, width=width, heads=heads, mlp_ratio=mlp_ratio)
    require_positive("vit", classes=classes, in_channels=in_channels, size=size)
    require_switches("vit", qk=qk)
    _require_multiples(patch, width, heads, size)
    slots, values = build_norm(norm), build_norm(value_norm)
    placement = slots.placements[0] if placement is None else placement
    _require_place(norm, slots, placement)
    if values.wrap is not unwrapped:
        raise LandscapeError(
            f"value_norm of vit normalises features, but {str(value_norm)!r} normalises weights, which values share "
            "with queries and keys; type for example value_norm='batch'"
        )
    tokens, sphere = 1 + (size // patch) ** 2, placement == "sphere"
    plan = Plan(depth, width, heads, mlp_ratio * width, tokens, slots, sphere, qk, values, value_activation, activation)
    return ViT(in_channels, patch, classes, placement, plan)


def _require_multiples(patch: int, width: int, heads: int, size: int) -> None:
    if size % patch:
        fitting = [one for one in range(1, size + 1) if size % one == 0]
        closest = min(fitting, key=lambda one: abs(one - patch))
        raise LandscapeError(
            f"the size of vit's images must be a multiple of the patch, but {size} is not one of {patch}; "
            f"type for example patch={closest}"
        )
    if width % heads:
        raise LandscapeError(
            f"the width of vit must be a multiple of its heads, but {width} is not one of {heads}; "
            f"type for example width={heads * max(1, round(width / heads))}"
        )


def _require_place(name: str | Norm, norm: Norm, placement: str) -> None:
    if placement not in PLACEMENTS:
        raise LandscapeError(f"vit has no placement {placement!r}; {nearest(placement, PLACEMENTS)}")
    if placement not in norm.placements:
        raise LandscapeError(
            f"the norm {str(name)!r} of vit goes with placement {' or '.join(map(repr, norm.placements))}, not with "
            f"{placement!r}; type placement={norm.placements[0]!r}"
            + (", or norm='unit'" if placement == "sphere" else "")
        )


def candidates(shapes: Shapes) -> list[Spec]:
    """Specs of the vision transformers that these tensors may belong to.

    Args:
        shapes: Names and shapes of a state dict.

    Returns:
        The likeliest first; nothing in the tensors tells the number of heads or the activations.
    """
    names = ("patch_embed.proj.weight", "pos_embed", "blocks.0.mlp.fc1.weight", "head.weight")
    stem, positions, hidden, head = (shapes.get(name) for name in names)
    if stem is None or positions is None or hidden is None or head is None or len(stem) != 4:
        return []
    width, values = stem[0], "blocks.0.attn.value_norm"
    settings = {
        "patch": stem[2],
        "depth": len({name.split(".")[1] for name in shapes if name.startswith("blocks.")}),
        "width": width,
        "placement": _placement(shapes),
        "qk": "blocks.0.attn.query_key.gain" in shapes,
        "mlp_ratio": hidden[0] // width,
        "classes": head[0],
        "in_channels": stem[1],
        "size": stem[2] * math.isqrt(positions[1] - 1),
    }
    return [
        minimal_spec("vit", vit, heads=heads, norm=norm, value_norm=value_norm, **settings)
        for norm in _norms_in(shapes, "blocks.0.norm1")
        for value_norm in _norms_in({name: shapes[name] for name in shapes if name.startswith(values)}, values)
        if value_norm != "fix"  # of values it is `scale`
        for heads in dict.fromkeys((3, width // 64, width // 48, width // 32, 4))
        if heads and width % heads == 0
    ]


def _placement(shapes: Shapes) -> str | None:
    """`post` where slots have tensors, but for the one behind the blocks."""
    final, slot = (any(name.startswith(one) for name in shapes) for one in ("norm.", "blocks.0.norm1."))
    return "post" if slot and not final and "blocks.0.norm1.rate.gain" not in shapes else None


def _norms_in(shapes: Shapes, slot: str) -> list[str]:
    if f"{slot}.rate.gain" in shapes:
        return ["unit"]
    if f"{slot}.gain" in shapes:
        return ["fix", "scale"]
    tokens = any(name.startswith(f"{slot}.norm.") for name in shapes)
    return possible_norms(shapes, f"{slot}.norm" if tokens else slot)
