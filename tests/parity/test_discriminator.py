"""The discriminator against the output of the published script's network on the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from posegen_discriminators.parts import PARTS, Judges

from .weights import weight

GOLDEN = np.load(Path(__file__).parent / "data" / "posegen.npz")
OFFICIAL_LAYERS = ("layer_1", "layer_2", "layer_3", "layer_last", "layer_pred")
# The script's poses have the root as joint 0, which its torso and whole body see and ours do not.
WITH_ROOT = {name: [row + 1 for row in rows] for name, rows in PARTS.items()}
WITH_ROOT["torso"].insert(0, 0)
WITH_ROOT["body"].insert(0, 0)


def official_key(key: str) -> str:
    """Our ``judges.left_leg.2.weight`` -> the script's ``d3d.layer_left_leg.layer_2.weight``."""
    _, part, index, leaf = key.split(".")
    part = "full_body" if part == "body" else part
    return f"d3d.layer_{part}.{OFFICIAL_LAYERS[int(index) // 2]}.{leaf}"


def test_scores_equal_the_published_discriminator() -> None:
    judges = Judges(WITH_ROOT, 500, 1000)
    judges.load_state_dict({k: weight(official_key(k), tuple(v.shape)) for k, v in judges.state_dict().items()})
    with torch.no_grad():
        scores = judges.scores(torch.from_numpy(GOLDEN["D_in"]))
    torch.testing.assert_close(scores, torch.from_numpy(GOLDEN["D_out"]), atol=2e-6, rtol=0)
