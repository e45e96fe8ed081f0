"""Normalizations of a transformer's tokens, queries, keys, values and weights, beside loops over their formulas."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_vit import images, small
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import parametrize

from landscape.models import build_model, build_norm
from landscape.models.attention import QueryKeyNorm, SphereQueryKeyNorm
from landscape.models.norms.tokens import FixNorm, ScaleNorm, SphereNorm, UnitNorm, UnitWeight
from landscape.parameters.parametrizations import effective

SPHERE = "norm='unit', placement='sphere'"


def unit(x: list[float]) -> list[float]:
    length = math.sqrt(sum(one * one for one in x))
    return [one / length for one in x]


def product(weight: Tensor, x: list[float]) -> list[float]:
    return [sum(w * one for w, one in zip(row, x, strict=True)) for row in weight.tolist()]


def softmax(x: list[float]) -> list[float]:
    powers = [math.exp(one - max(x)) for one in x]
    return [one / sum(powers) for one in powers]


def gelu(x: float) -> float:
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


def per_token(function, x):
    return torch.tensor([[function(token) for token in example] for example in x.tolist()], dtype=torch.float64)


def test_lengths_are_those_of_the_formulas():
    x = torch.randn(2, 3, 8, dtype=torch.float64)
    scale, fix = ScaleNorm(8, 1e-5).double(), FixNorm(2.5, 1e-5)
    assert scale.gain.item() == pytest.approx(math.sqrt(8))
    with torch.no_grad():
        scale.gain.fill_(1.7)
    for module, length in ((scale, 1.7), (fix, 2.5), (UnitNorm(), 1.0)):
        expected = per_token(lambda token, length=length: [length * one for one in unit(token)], x)
        torch.testing.assert_close(module(x), expected, rtol=1e-12, atol=0)


def test_a_step_along_the_sphere_is_that_of_the_formula():
    h = functional.normalize(torch.randn(2, 3, 8, dtype=torch.float64), dim=-1)
    f, alpha = torch.randn_like(h), torch.randn(8, dtype=torch.float64)
    slot = SphereNorm(8, 0.05).double()
    torch.testing.assert_close(slot.rate.values(), torch.full((8,), 0.05, dtype=torch.float64), rtol=1e-6, atol=0)
    with torch.no_grad():
        slot.rate.gain.copy_(alpha / slot.rate.factor)
    steps = [
        [
            unit([a + abs(r) * (b - a) for a, b, r in zip(one, unit(other), alpha.tolist(), strict=True)])
            for one, other in rows
        ]
        for rows in (zip(x, y, strict=True) for x, y in zip(h.tolist(), f.tolist(), strict=True))
    ]
    torch.testing.assert_close(slot(h, f), torch.tensor(steps, dtype=torch.float64), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "module",
    [ScaleNorm(4, 1e-5), FixNorm(2.0, 1e-5), UnitNorm(), UnitWeight(True), UnitWeight(False)],
    ids=lambda one: type(one).__name__,
)
def test_gradients(module):
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module.double(), (x,))


def test_gradients_of_pairs():
    pair = [torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    for module in (QueryKeyNorm(3), SphereQueryKeyNorm(8, 2), SphereNorm(4, 0.1)):
        assert torch.autograd.gradcheck(module.double(), tuple(pair))


@given(st.floats(1e-2, 1e3), st.integers(0, 100))
def test_lengths_of_inputs_do_not_matter(factor, seed):
    x = torch.randn(2, 3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    for norm in ("scale", "fix", "unit"):
        slot = build_norm(norm).of_tokens(8).double()
        torch.testing.assert_close(slot(factor * x), slot(x), rtol=1e-10, atol=1e-10)


def attended(q, k, v, heads, scale) -> list[list[float]]:
    """What attention gives each token, by loops; q, k and v are lists of tokens."""
    size, mixed = len(q[0]) // heads, [[] for _ in q]
    for start in range(0, len(q[0]), size):
        part = slice(start, start + size)
        for row, query in enumerate(q):
            weights = softmax([scale * sum(a * b for a, b in zip(query[part], key[part], strict=True)) for key in k])
            mixed[row] += [sum(w * value[part][i] for w, value in zip(weights, v, strict=True)) for i in range(size)]
    return mixed


def heads_of_length_one(tokens, heads, factors):
    size = len(factors) // heads
    lengths = [
        [one for head in range(heads) for one in unit(token[head * size : (head + 1) * size])] for token in tokens
    ]
    return [[s * one for s, one in zip(factors, token, strict=True)] for token in lengths]


def test_query_key_normalization_is_that_of_the_formula():
    net = small("qk=True").double()
    attention, x = net.blocks[0].attn, torch.randn(2, 5, 16, dtype=torch.float64)
    fresh = build_model("vit(patch=7, size=14, in_channels=1, qk=True)").blocks[0].attn
    assert fresh.query_key.gain.item() == pytest.approx(math.log2(5**2 - 5))
    expected = []
    for example in attention.qkv(x).tolist():
        q, k, v = ([token[16 * i : 16 * (i + 1)] for token in example] for i in range(3))
        q, k = (heads_of_length_one(one, 2, [1.0] * 16) for one in (q, k))
        expected.append(attended(q, k, v, 2, attention.query_key.gain.item()))
    mixed = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(attention(x), attention.proj(mixed), rtol=1e-12, atol=1e-12)


def test_values_are_normalised_per_channel_over_images_and_tokens():
    attention = small("value_norm='batch', value_activation='gelu'").double().train().blocks[0].attn
    norm, x = attention.value_norm.norm, torch.randn(3, 5, 16, dtype=torch.float64)
    projected = attention.qkv(x).tolist()
    channels = []
    for channel in range(16):
        seen = [token[32 + channel] for example in projected for token in example]
        mean = sum(seen) / 15
        variance = sum((one - mean) ** 2 for one in seen) / 15
        gamma, beta = norm.weight[channel].item(), norm.bias[channel].item()
        channels.append([gelu(gamma * (one - mean) / math.sqrt(variance + norm.eps) + beta) for one in seen])
    values = torch.tensor(channels, dtype=torch.float64).T.reshape(3, 5, 16).tolist()
    expected = []
    for example, value in zip(projected, values, strict=True):
        q, k = ([token[16 * i : 16 * (i + 1)] for token in example] for i in range(2))
        expected.append(attended(q, k, value, 2, 1 / math.sqrt(8)))
    mixed = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(attention(x), attention.proj(mixed), rtol=1e-10, atol=1e-10)


def test_fixed_lengths_are_those_of_the_embeddings_and_the_rows_of_the_head():
    net = small("norm='fix'").double().eval()
    seen = {}
    net.embed_norm.register_forward_hook(lambda module, inputs, output: seen.update(embeddings=output))
    net.norm.register_forward_hook(lambda module, inputs, output: seen.update(last=output))
    logits = net(images().double())
    torch.testing.assert_close(seen["embeddings"].norm(dim=-1), torch.full((12, 5), 4.0, dtype=torch.float64))
    stored = net.head.parametrizations.weight.original.tolist()
    cosines = [
        [sum(a * b for a, b in zip(unit(row), unit(x), strict=True)) for row in stored]
        for x in seen["last"][:, 0].tolist()
    ]
    expected = net.norm.gain * torch.tensor(cosines, dtype=torch.float64) + net.head.bias
    torch.testing.assert_close(logits, expected, rtol=1e-12, atol=1e-12)


def weights_of_length_one(net):
    """Every weight of a normalised transformer with the axis of its vectors; columns where it writes features."""
    for name, module in net.named_modules():
        if parametrize.is_parametrized(module):
            yield name, module.weight, 0 if name.endswith(("proj", "fc2")) else 1


def test_all_weights_and_features_have_length_one_after_steps_too():
    net = small(SPHERE).double().train()
    lengths = []
    for module in (
        net.embed_norm,
        net.norm_pre,
        *(slot for block in net.blocks for slot in (block.norm1, block.norm2)),
    ):
        module.register_forward_hook(lambda module, inputs, output: lengths.append(output.norm(dim=-1)))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        functional.cross_entropy(net(images().double()), torch.arange(12) % 3).backward()
        optimizer.step()
    found = list(weights_of_length_one(net))
    assert len(found) == 1 + 2 * 4 + 1
    for name, weight, axis in found:
        length = weight.norm(dim=axis)
        torch.testing.assert_close(length, torch.ones_like(length), msg=lambda text, name=name: f"{name}: {text}")
    assert len(lengths) == 3 * (2 + 4)
    for length in lengths:
        torch.testing.assert_close(length, torch.ones_like(length))
    bare = {name for name, one in net.named_parameters() if one.ndim > 1 and "parametrizations" not in name}
    assert bare == {"cls_token", "pos_embed"}
    assert not any(name.endswith("bias") for name, _ in net.named_parameters())


def normalised_block(block, tokens):
    """One block of nGPT by its equations, from the stored parameters."""
    qkv, proj, first, second = (
        functional.normalize(one.parametrizations.weight.original, dim=axis)
        for one, axis in ((block.attn.qkv, 1), (block.attn.proj, 0), (block.mlp.fc1, 1), (block.mlp.fc2, 0))
    )
    rates = [(4.0 * slot.rate.gain / 2).abs().tolist() for slot in (block.norm1, block.norm2)]  # sqrt(d) / depth
    s_qk, s_u = (4.0 * block.attn.query_key.gain.gain).tolist(), (4.0 * block.mlp.scale.gain).tolist()
    projected = [product(qkv, token) for token in tokens]
    q, k, v = ([token[16 * i : 16 * (i + 1)] for token in projected] for i in range(3))
    q, k = (heads_of_length_one(one, 2, s_qk) for one in (q, k))
    for rate, step in zip(rates, ("attention", "mlp"), strict=True):
        if step == "attention":
            towards = [product(proj, one) for one in attended(q, k, v, 2, math.sqrt(8))]
        else:
            hidden = [[gelu(s * u) for s, u in zip(s_u, product(first, token), strict=True)] for token in tokens]
            towards = [product(second, one) for one in hidden]
        tokens = [
            unit([a + r * (b - a) for a, b, r in zip(h, unit(f), rate, strict=True)])
            for h, f in zip(tokens, towards, strict=True)
        ]
    return tokens


def test_the_normalised_transformer_is_that_of_the_paper():
    net = small(SPHERE).double().eval()
    image = images(1).double()
    vectors = functional.normalize(net.patch_embed.proj.parametrizations.weight.original, dim=0).flatten(1)
    patches = functional.unfold(image, 7, stride=7)[0].T.tolist()
    embedded = [unit(one) for one in (net.cls_token[0, 0].tolist(), *(product(vectors, patch) for patch in patches))]
    places = net.pos_embed[0].tolist()
    tokens = [unit([a + b for a, b in zip(*pair, strict=True)]) for pair in zip(embedded, places, strict=True)]
    for block in net.blocks:
        tokens = normalised_block(block, tokens)
    cosines = product(functional.normalize(net.head.parametrizations.weight.original, dim=1), tokens[0])
    expected = 4.0 * net.head_scale.gain * torch.tensor(cosines, dtype=torch.float64)
    torch.testing.assert_close(net(image)[0], expected, rtol=1e-10, atol=1e-10)


def test_effective_weights_compute_the_same():
    net = small(SPHERE).eval()
    plain = effective(net)
    assert not any(parametrize.is_parametrized(module) for module in plain.modules())
    torch.testing.assert_close(plain(images()), net(images()))


def test_factors_begin_with_what_the_paper_says():
    net = build_model(f"vit(depth=3, width=48, heads=4, {SPHERE})")
    block = net.blocks[0]
    begun = {
        block.norm1.rate: 1 / 3,
        block.attn.query_key.gain: 1.0,
        block.mlp.scale: math.sqrt(48),
        net.head_scale: 1.0,
    }
    for gain, value in begun.items():
        torch.testing.assert_close(gain.values(), torch.full_like(gain.gain, value))
    stored = 48**-0.5
    assert block.norm2.rate.gain[0].item() == block.attn.query_key.gain.gain[0].item() == pytest.approx(stored)
    assert net.head_scale.gain[0].item() == pytest.approx(stored)
    assert block.mlp.scale.gain[0].item() == 1.0
    assert block.attn.scale == pytest.approx(math.sqrt(12))
