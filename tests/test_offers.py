"""Every normalization that a network is said to take: built, trained, saved, and its surface computed."""

import gc

import pytest
import torch
from networks import with_batch_statistics
from torch.nn import functional

import landscape
from landscape.errors import LandscapeError
from landscape.evaluation.batchnorm import statistics_layers
from landscape.models import MODELS, NORMS, Norm, build_model, build_norm
from landscape.models.denoiser import packed
from landscape.models.initialisation import initialise
from landscape.models.offers import families, offered
from landscape.models.shapes import shapes_of, with_computed
from landscape.parameters.roles import role_of
from landscape.registry import Spec

SMALL = {
    "lenet": ({"size": 16}, (1, 16, 16)),
    "mlp": ({"inputs": 36, "hidden": (16, 12)}, (1, 6, 6)),
    "vgg": ({"depth": 9, "width": 4}, (3, 8, 8)),
    "resnet": ({"depth": 8, "width": 4, "shortcut": "conv"}, (3, 8, 8)),
    "wide-resnet": ({"depth": 10}, (3, 8, 8)),
    "densenet": ({"depth": 7, "growth": 4}, (3, 8, 8)),
    "nf-resnet": ({"depth": 8, "width": 4}, (3, 8, 8)),
    "vit": ({"patch": 4, "depth": 1, "width": 16, "heads": 2, "size": 8}, (3, 8, 8)),
    "denoiser": ({"width": 4, "blocks": 1, "condition": 8}, (1, 8, 8)),
}
OFFERED = [(model, norm) for model in families() for norm in offered(model)]
# What the tables name besides: settings of norms, and normalizations that a network has as a setting.
BESIDES = [
    ("lenet", "batch(eval_weight=0.1)", {}),
    ("resnet", "ghost-batch(size=4)", {}),
    ("resnet", "weight-norm(then='batch')", {}),
    ("densenet", "batch", {"depth": 10, "bc": True}),
    ("nf-resnet", "scaled-ws", {"shortcut": "pad", "skip_gain": True}),
    ("vit", "layer", {"placement": "post"}),
    ("vit", "layer", {"qk": True}),
    ("vit", "layer", {"value_norm": "batch"}),
]


@pytest.fixture(autouse=True)
def little_garbage():
    """Leave what is there out of collections: each run makes one, which would take longer than the rest of it."""
    gc.freeze()
    yield
    gc.unfreeze()


def spec_of(model, norm, settings=None):
    """A small network."""
    return Spec(model, {**SMALL[model][0], "norm": norm, **(settings or {})})


def matched(model):
    """The norms that are all that a network differs in: `unit` is an architecture, a condition comes in otherwise."""
    return [norm for norm in offered(model) if norm != "unit" and not build_norm(norm, conditional=True).conditional]


def examples(model):
    """Images and labels; for the denoiser, noised images and noise."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(16, *SMALL[model][1], generator=generator)
    labels = torch.arange(16) % 10
    if model != "denoiser":
        return images, labels, "cross-entropy"
    noise = torch.randn(images.shape, generator=generator)
    return packed(images + noise, torch.rand(16, generator=generator), labels), noise, "mse"


def loss_of(net, inputs, targets):
    output = net(inputs)
    return functional.mse_loss(output, targets) if targets.ndim > 1 else functional.cross_entropy(output, targets)


def trained(spec, inputs, targets):
    """A network after two steps, in which every parameter has got a gradient."""
    torch.manual_seed(0)
    net = build_model(spec).train()
    initialise(net, 0, "he")
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        loss = loss_of(net, inputs, targets)
        loss.backward()
        assert loss.isfinite()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters() if p.requires_grad)
        optimizer.step()
    return net


def guessed(net):
    """The parameters whose role no module tells."""
    places = [name.rpartition(".") for name, _ in net.named_parameters()]
    return [
        local for path, _, local in places if role_of(net, path, local, net.get_submodule(path)._parameters[local])[2]
    ]


@pytest.mark.parametrize(("model", "norm", "settings"), [*((*pair, {}) for pair in OFFERED), *BESIDES])
def test_what_is_offered_trains_is_saved_and_has_a_surface(model, norm, settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inputs, targets, loss = examples(model)
    spec = spec_of(model, norm, settings)
    net = trained(spec, inputs, targets)
    assert guessed(net) == []
    torch.save({"state_dict": net.state_dict(), "landscape": {"model": str(spec)}}, "net.pt")
    statistics = bool(statistics_layers(net))
    bn = {"bn_stats": "all", "bn_data": (inputs, targets), "bn_samples": "all"} if statistics else {}
    x = (-1, 1, 3)
    surface = landscape.compute(ckpt="net.pt", data=(inputs, targets), loss=loss, x=x, y=x, progress=False, **bn)
    frozen = surface.sel(bn="frozen") if statistics else surface
    with torch.no_grad():
        assert frozen["test/loss"][1, 1] == pytest.approx(loss_of(net.eval(), inputs, targets).item(), rel=1e-4)
        if statistics:
            batch = loss_of(with_batch_statistics(net), inputs, targets).item()
            assert surface.sel(bn="batch")["test/loss"][1, 1] == pytest.approx(batch, rel=1e-4)
    assert frozen.complete
    assert len(set(frozen["test/loss"].ravel())) == 9


@pytest.mark.parametrize("model", SMALL)
def test_what_is_not_offered_is_refused_in_a_sentence(model):
    for norm in set(NORMS.table) - set(offered(model)):
        with pytest.raises(LandscapeError) as error:
            build_model(Spec(model, {**SMALL[model][0], "norm": norm}))
        assert repr(norm) in str(error.value)
        assert "\n" not in str(error.value)


def test_every_norm_is_offered_by_a_model_and_every_model_is_tried():
    assert {norm for _, norm in OFFERED} == set(NORMS.table)
    assert set(SMALL) == set(families())
    assert {name for names in families().values() for name in names} == set(MODELS.table)
    assert offered("resnet56") == offered("resnet")


def test_which_norms_suit_follows_from_what_they_need():
    assert "instance" not in offered("mlp")
    assert {"ada-instance", "ada-layer"} <= set(offered("denoiser")) - set(offered("resnet"))
    assert {"scale", "fix", "unit"} == set(offered("vit")) - set(offered("resnet"))
    assert set(offered("lenet")) == set(offered("densenet")) >= {"none", "batch", "instance", "scaled-ws"}


def test_norms_of_a_model_that_is_not_ours_are_not_known():
    with pytest.raises(LandscapeError, match="'torchvision:resnet18' takes is known of the package's own models alone"):
        offered("torchvision:resnet18")


@pytest.mark.parametrize("model", SMALL)
def test_networks_that_differ_in_their_norm_begin_with_the_same_common_weights(model):
    nets = {norm: build_model(spec_of(model, norm)) for norm in matched(model)}
    for net in nets.values():
        initialise(net, 3)
    plain = dict(nets["none"].named_parameters())
    for norm, net in nets.items():
        state, tensors = net.state_dict(), dict(net.named_parameters())
        for name, expected in plain.items():
            layer, _, local = name.rpartition(".")
            stored = state.get(f"{layer}.parametrizations.{local}.original")
            found = tensors[name] if name in tensors else getattr(net.get_submodule(layer), local)
            torch.testing.assert_close(found if stored is None else stored, expected, msg=f"{norm}: {name}")


@pytest.mark.parametrize("model", SMALL)
def test_a_norm_shifts_no_name(model):
    plain = build_model(spec_of(model, "none"))
    modules = [name for name, _ in plain.named_modules()]
    for norm in matched(model):
        net = build_model(spec_of(model, norm))
        names = {name: place for place, (name, _) in enumerate(net.named_modules())}
        assert sorted(modules, key=names.__getitem__) == modules
        shapes = with_computed(shapes_of(net.state_dict()))
        assert {name: tuple(p.shape) for name, p in plain.named_parameters()}.items() <= shapes.items()


@pytest.mark.parametrize("model", [model for model in SMALL if model != "denoiser"])
def test_a_norm_may_wrap_every_layer_but_the_head(model):
    def wrap(module):
        return torch.nn.utils.parametrizations.weight_norm(module)

    norm = Norm(lambda channels, dimensions: torch.nn.Identity(), wrap)
    net = build_model(Spec(model, {**SMALL[model][0], "norm": norm}))
    layers = (torch.nn.Conv2d, torch.nn.Linear)
    bare = [name for name, m in net.named_modules() if isinstance(m, layers) and "weight" in m._parameters]
    assert len(bare) == 1
    assert net(torch.zeros(2, *SMALL[model][1])).shape == (2, 10)
