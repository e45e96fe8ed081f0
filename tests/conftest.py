"""Small things that the tests share: nets, data, and where the real inputs are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from torch import nn

from landscape.data import Batches

# How long an example takes says more of what else the machine does than of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SHARED = Path(__file__).parents[1].parent / "shared"


@pytest.fixture(autouse=True)
def _settings_of_the_process() -> Iterator[None]:
    """Torch's settings of the whole process are as they were after each test: others would see them."""

    def present() -> tuple[int, bool]:
        return torch.get_num_threads(), bool(torch.tensor(1e-40) * torch.ones(()) == 0)

    before = present()
    yield
    after = present()
    torch.set_num_threads(before[0])
    torch.set_flush_denormal(before[1])
    assert after == before, "the test left another number of threads, or another treatment of denormals"


@pytest.fixture(autouse=True)
def _memories_of_their_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user's earlier runs remembered is not for tests to read or to change."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def shared() -> Path:
    """The folder of real inputs beside the project; the test skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the real inputs in ../shared are absent")
    return SHARED


@pytest.fixture
def small_net() -> nn.Module:
    """Conv, BatchNorm with statistics that are not trivial, ReLU, pool, linear; on (1, 6, 6) images, 3 classes."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)
    )
    with torch.no_grad():
        net(torch.randn(64, 1, 6, 6))
    return net


@pytest.fixture
def small_data() -> Batches:
    """37 images of (1, 6, 6) in 3 classes."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(37, 1, 6, 6, generator=generator)
    targets = torch.randint(0, 3, (37,), generator=generator)
    return Batches(inputs, targets, "small", "digest", "as it is")
