"""The generator against the output of the published script's network on the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from posegen.generator import VIEW_SCALE, PoseGenerator

from .weights import normal, weight

GOLDEN = np.load(Path(__file__).parent / "data" / "posegen.npz")
OFFICIAL = ["w1", "batch_norm1"]
for _stage in (0, 1):
    OFFICIAL += [f"linear_stages.{_stage}.{name}" for name in ("w1", "batch_norm1", "w2", "batch_norm2")]


def official_key(key: str) -> str:
    """Our ``trunk.3.weight`` -> ``BAprocess.linear_stages.0.w1.weight``; every third layer has no weights."""
    if key.startswith("head."):
        return f"BAprocess.w2.{key.removeprefix('head.')}"
    _, index, leaf = key.split(".")
    return f"BAprocess.{OFFICIAL[2 * (int(index) // 3) + int(index) % 3]}.{leaf}"


@pytest.mark.parametrize(("training", "name"), [(False, "G_eval"), (True, "G_train")])
def test_rotations_equal_the_published_generator(training: bool, name: str) -> None:
    generator = PoseGenerator(rng=torch.Generator())
    state = {key: weight(official_key(key), tuple(value.shape)) for key, value in generator.state_dict().items()}
    generator.load_state_dict(state)
    with torch.no_grad():
        theta, view = generator.train(training)(normal(4001, (64, 32)))
    golden = torch.from_numpy(GOLDEN[name])
    torch.testing.assert_close(theta, golden[:, 1:], atol=1e-4, rtol=0)
    torch.testing.assert_close(view, golden[:, 0], atol=1e-4 * VIEW_SCALE, rtol=0)
