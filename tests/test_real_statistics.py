"""Recalibration on a real network and real images: a third-party ResNet-20 that was trained with crops and flips."""

from __future__ import annotations

import pytest
from conftest import SHARED

import landscape
from landscape.api import check, check_rescaling

pytestmark = pytest.mark.slow
NORMALISATION = "mean='imagenet', std='imagenet'"


def inputs(shared, augment):
    return {
        "ckpt": shared / "checkpoints" / "resnet20-12fca82f.th",
        "data": f"{shared / 'data' / 'cifar10_test.npz'}({NORMALISATION})",
        "bn_data": f"{shared / 'data' / 'cifar10_train_20k.npz'}(augment='{augment}')",
        "progress": False,
    }


@pytest.fixture(scope="module")
def surfaces():
    """One run of all policies for each way to prepare the calibration images; only the trained weights matter."""
    if not SHARED.is_dir():
        pytest.skip("the real inputs in ../shared are absent")
    options = {"samples": 2000, "bn_stats": "all", "bn_samples": 4000, "x": "0:0:1", "y": None}
    return {augment: landscape.compute(**inputs(SHARED, augment), **options) for augment in ("crop4-flip", "none")}


def test_augmented_images_give_the_checkpoints_own_statistics_back(surfaces):
    surface = surfaces["crop4-flip"]
    centre = surface.sel(bn="recalibrate").centre["test"]
    assert abs(centre["loss_minus_frozen"]) <= 3 * centre["loss_minus_frozen_stderr"]
    assert surface["statistics/drift"].item() <= surface["statistics/drift_floor"].item()
    assert "ok" in [finding.level for finding in check(surface) if finding.code == "BN-CENTRE"]


def test_plain_images_are_biased_and_the_check_says_so(surfaces):
    """DESIGN's figures: 0.465 to 0.479 against 0.391, whatever the number of images."""
    surface = surfaces["none"]
    centre = surface.sel(bn="recalibrate").centre["test"]
    assert centre["loss_minus_frozen"] > 5 * centre["loss_minus_frozen_stderr"]
    assert surface["statistics/drift"].item() > 10 * surface["statistics/drift_floor"].item()
    assert "warning" in [finding.level for finding in check(surface) if finding.code == "BN-CENTRE"]


def test_a_rescaled_resnet_has_the_same_surface(shared):
    findings = check_rescaling(3.7, **inputs(shared, "crop4-flip"), samples=100, bn_samples=200, x="-0.5:0.5:3")
    exact = [finding for finding in findings if finding.code == "RESCALE-EXACT"]
    assert len(exact) == 3
    assert max(finding.values["difference"] for finding in exact) < 5e-5  # float32 through 19 batch-normalised layers
