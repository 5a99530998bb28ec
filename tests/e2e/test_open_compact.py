"""The shipped open-compact weights: what they know, and what they do not."""

from __future__ import annotations

import pytest
import torch

from posegen.assemble import assemble
from posegen.config import load
from posegen.datasets import open
from posegen.evaluate import measure

ESTIMATORS = ("spin", "hybrik", "cliff")


@pytest.fixture(scope="module", params=ESTIMATORS)
def errors(request):
    """MPJPE in mm on the splits ind and usd of the open benchmark, 200 images each."""
    parts = assemble(load([], {"--estimator": ("estimator", request.param)}).settings)
    assert parts.estimator.weights == "open-compact"

    def error(split):
        shots = open.shots(
            split, parts.estimator.joint_set, motion=parts.motion, photos=parts.photos, mesh=parts.mesh, samples=200
        )
        return torch.tensor(measure(parts.estimator, shots)["mpjpe"]).mean().item()

    return {"estimator": request.param, "ind": error("ind"), "usd": error("usd")}


def test_they_know_upright_people_from_chest_height(errors):
    assert errors["ind"] <= 80


def test_they_fail_at_rare_views(errors):
    assert errors["usd"] >= 1.5 * errors["ind"]
