"""HybrIK's published ResNet-34: forward and backward in bfloat16, channels last, beside float32, channels first.

One thread (``pytest tests/benchmarks --benchmark-only``).
"""

from __future__ import annotations

import time

import pytest
import torch
from posegen_hybrik.estimator import Hybrik
from posegen_hybrik.network import HybrikNet
from posegen_hybrik.variant import RES34_CAM
from posegen_starter.photos import StarterPhotos

from posegen.datasets.photos import photo_box
from posegen.nn.precision import Precision, lowers

CPU = torch.device("cpu")
BATCH, ROUNDS = 4, 2


def test_bfloat16_channels_last(benchmark) -> None:
    """Heatmaps of 64 x 64 x 64 and their soft argmax included: float32 in both."""
    if not lowers("auto", CPU):
        pytest.skip("this CPU has no bfloat16")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    network = HybrikNet(RES34_CAM).eval()
    image = torch.rand(BATCH, 3, RES34_CAM.size, RES34_CAM.size, generator=torch.Generator().manual_seed(0))

    def seconds(precision: Precision) -> float:
        start = time.process_time()  # of this process alone: others may keep the cores busy
        seen = network.look(image, precision)
        (seen.uvd.square().sum() + seen.phi.square().sum() + seen.betas.square().sum()).backward()
        return time.process_time() - start

    plain = min(seconds("float32") for _ in range(ROUNDS + 1))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fast: list[float] = []
    benchmark.pedantic(lambda: fast.append(seconds("bfloat16")), rounds=ROUNDS, warmup_rounds=1)
    torch.set_num_threads(threads)
    benchmark.extra_info["times_faster"] = round(plain / min(fast), 2)
    print(f"\nHybrIK ResNet-34: bfloat16 channels_last is {plain / min(fast):.2f} times faster than float32 NCHW")


def test_what_bfloat16_changes(benchmark) -> None:
    """Millimetres between the joints that both precisions see in real photographs, with the open-compact weights."""
    photos = StarterPhotos(StarterPhotos.Options()).people("test")
    exact, lower = (Hybrik(Hybrik.Options(weights="open-compact", precision=p)) for p in ("float32", "bfloat16"))
    crops = exact.crop(photos, photo_box(photos))
    with torch.no_grad():
        expected = exact.predict(crops).joints
        joints = benchmark.pedantic(lower.predict, (crops,), rounds=2).joints
    difference = 1000 * (joints - expected).norm(dim=-1)
    benchmark.extra_info["mean_mm"] = round(difference.mean().item(), 2)
    benchmark.extra_info["largest_mm"] = round(difference.max().item(), 2)
    assert difference.mean() < 10
