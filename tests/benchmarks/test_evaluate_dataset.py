"""On a synthetic 3DPW in its official sizes, reading and measuring are a small share of the time beside the estimator.

``pytest tests/benchmarks/test_evaluate_dataset.py --benchmark-only``; POSEGEN_BENCHMARK_FRAMES=1000 makes the 2,000
people that docs/protocols.md reports.
"""

import os
import time

import numpy as np
import pytest
from datasets.fixtures_threedpw import skeleton, threedpw
from PIL import Image
from posegen_blazepose.estimator import BlazePose

from posegen.datasets.sources import Source
from posegen.scoring.stage import Request, measure
from posegen.settings import Settings

FRAMES = int(os.environ.get("POSEGEN_BENCHMARK_FRAMES", "60"))
CAMERA = np.array([[1961.85, 0, 540], [0, 1969.23, 960], [0, 0, 1]])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """One sequence of two people who stand side by side, 1080 x 1920 pixels, JPEGs of about 800 kB."""
    folder, rng, name = tmp_path_factory.mktemp("3dpw"), np.random.default_rng(0), "downtown_walk_00"
    poses = [0.3 * rng.standard_normal((FRAMES, 72)) for _ in range(2)]
    for pose in poses:
        pose[:, :3] = (np.pi, 0, 0)
    trans = [np.tile([x, 0, 4.0], (FRAMES, 1)) for x in (-0.6, 0.6)]
    joints = [skeleton(p) + t[:, None] for p, t in zip(poses, trans, strict=True)]
    pixels = [j @ CAMERA.T for j in joints]
    points = [np.concatenate([(p[..., :2] / p[..., 2:])[:, :18], np.ones((FRAMES, 18, 1))], -1) for p in pixels]
    empty = [np.zeros((2, 3))] * 2
    threedpw(folder, {name: {
        "sequence": name, "poses": poses, "betas": [np.zeros(10)] * 2, "trans": trans, "poses_60Hz": empty,
        "trans_60Hz": empty, "betas_clothed": [np.zeros(10)] * 2, "v_template_clothed": empty, "genders": ["m", "f"],
        "texture_maps": [], "poses2d": [p.transpose(0, 2, 1).copy() for p in points],
        "jointPositions": [j.reshape(FRAMES, 72) for j in joints], "img_frame_ids": np.arange(0, 2 * FRAMES, 2),
        "cam_poses": np.tile(np.eye(4), (FRAMES, 1, 1)), "campose_valid": [np.ones(FRAMES, int)] * 2,
        "cam_intrinsics": CAMERA,
    }})  # fmt: skip
    images = folder / "imageFiles" / name
    images.mkdir(parents=True)
    for frame in range(FRAMES):
        target = images / f"image_{frame:05d}.jpg"
        if frame >= 20:
            target.hardlink_to(images / f"image_{frame % 20:05d}.jpg")
            continue
        coarse = Image.fromarray(rng.integers(0, 255, (60, 34, 3), dtype=np.uint8)).resize((1080, 1920))
        grain = np.asarray(coarse).astype(int) + rng.integers(-12, 12, (1920, 1080, 1))
        Image.fromarray(grain.clip(0, 255).astype(np.uint8)).save(target, quality=92)
    return folder


class Timed(BlazePose):
    """Seconds of processor time that the calling thread spends in the estimator."""

    spent = 0.0

    def crop(self, image, box):
        start = time.thread_time()
        out = super().crop(image, box)
        self.spent += time.thread_time() - start
        return out

    def predict(self, crop):
        start = time.thread_time()
        out = super().predict(crop)
        self.spent += time.thread_time() - start
        return out


@pytest.mark.parametrize("workers", [1, 2])
def test_loader_and_metrics_beside_the_estimator(root, benchmark, workers):
    estimator = Timed(Timed.Options())

    def evaluate():
        estimator.spent, start = 0.0, time.thread_time()
        result = measure(estimator, Settings(), Request(Source("3dpw", root), workers=workers))
        return result, time.thread_time() - start

    result, busy = benchmark.pedantic(evaluate, rounds=1)
    assert result["people"] == 2 * FRAMES
    share = (busy - estimator.spent) / estimator.spent
    benchmark.extra_info |= {
        "people": result["people"],
        "share of the main thread": round(share, 3),
        "share of the clock beside the estimator": round(
            result["seconds"]["all"] / result["seconds"]["estimator"] - 1, 3
        ),
    }
    print(f"\nreading and measuring take {100 * share:.1f} % beside the estimator")
