"""BlazePose against the TFLite runtime's outputs of the published models, on noise, a smooth pattern and a person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from posegen_blazepose.estimator import BlazePose
from torch import Tensor

DATA = Path(__file__).parent / "data"
GOLDEN = np.load(DATA / "blazepose_golden.npz")

# Float32 sums in another order; float64 arithmetic differs from the golden outputs by as much as float32 does.
METRES, PIXELS, PROBABILITY, VISIBILITY = 3e-5, 5e-3, 1e-5, 5e-5


def pictures() -> Tensor:
    """The three inputs that the golden outputs were made from, (3,3,256,256)."""
    rng = np.random.default_rng(int(GOLDEN["seed"]))
    noise = rng.random((256, 256, 3), dtype=np.float32)
    y, x = np.mgrid[0:256, 0:256].astype(np.float64) / 256
    waves = [np.sin(2 * np.pi * (a * x + b * y + c)) for a, b, c in rng.random((3, 3)) * [3, 3, 1]]
    person = np.asarray(Image.open(DATA / "blazepose_golden.webp").convert("RGB"), np.float32) / 255
    images = np.stack([noise, (0.5 + 0.5 * np.stack(waves, -1)).astype(np.float32), person])
    return torch.from_numpy(images).permute(0, 3, 1, 2)


@pytest.mark.parametrize("variant", ["lite", "full"])
def test_outputs_equal_the_published_model(variant: str) -> None:
    estimator = BlazePose(BlazePose.Options(variant=variant))
    with torch.no_grad():
        points = estimator.module(pictures())
        estimate = estimator.predict(pictures())
    for name, value, tolerance in (
        ("world", points.world, METRES),
        ("landmarks", points.screen, PIXELS),
        ("presence", points.person.sigmoid(), PROBABILITY),
    ):
        golden = torch.from_numpy(GOLDEN[f"{variant}_{name}"])
        torch.testing.assert_close(value, golden, atol=tolerance, rtol=0, msg=lambda m, name=name: f"{name}: {m}")
    torch.testing.assert_close(
        estimate.joints, torch.from_numpy(GOLDEN[f"{variant}_world"][:, :33]), atol=METRES, rtol=0
    )
    visible = torch.from_numpy(GOLDEN[f"{variant}_landmarks"][:, :33, 3]).sigmoid()
    torch.testing.assert_close(estimate.visibility, visible, atol=VISIBILITY, rtol=0)
