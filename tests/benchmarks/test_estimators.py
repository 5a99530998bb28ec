"""The published networks: forward and backward in bfloat16, channels last, beside float32, channels first.

One thread (``pytest tests/benchmarks --benchmark-only``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import torch
from posegen_cliff.estimator import Cliff
from posegen_cliff.network import VARIANTS, CliffNet
from posegen_spin.estimator import Spin
from posegen_spin.network import OFFICIAL, SpinNet
from posegen_starter.photos import StarterPhotos
from torch import Tensor, nn

from posegen.datasets.photos import photo_box
from posegen.nn.precision import autocast, lowers

CPU = torch.device("cpu")
BATCH, ROUNDS = 4, 2
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int]]] = {
    "spin": (lambda: SpinNet(OFFICIAL), (OFFICIAL.size, OFFICIAL.size)),
    "cliff hr48": (lambda: CliffNet("hr48"), VARIANTS["hr48"].size),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def passes(network: nn.Module, image: Tensor, lower: bool) -> None:
    with autocast("bfloat16" if lower else "float32", CPU):
        features = network.pooled(image)  # type: ignore[operator]  # both networks have it
    features.square().sum().backward()


@pytest.mark.parametrize("name", NETWORKS)
def test_bfloat16_channels_last(benchmark, name: str) -> None:
    if not lowers("auto", CPU):
        pytest.skip("this CPU has no bfloat16")
    make, size = NETWORKS[name]
    network = make().eval()
    image = torch.rand(BATCH, 3, *size)
    plain = []
    for _ in range(ROUNDS):
        start = time.process_time()  # of this process alone: others may keep the cores busy
        passes(network, image, lower=False)
        plain.append(time.process_time() - start)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    image = image.contiguous(memory_format=torch.channels_last)
    fast = []

    def step() -> None:
        start = time.process_time()
        passes(network, image, lower=True)
        fast.append(time.process_time() - start)

    benchmark.pedantic(step, rounds=ROUNDS, warmup_rounds=1)
    ratio = min(plain) / min(fast)
    benchmark.extra_info["times_faster"] = round(ratio, 2)
    print(f"\nbfloat16 channels_last is {ratio:.2f} times faster than float32 NCHW")


@pytest.mark.parametrize("estimator", [Spin, Cliff])
def test_what_bfloat16_changes(benchmark, estimator: type[Spin] | type[Cliff]) -> None:
    """Millimetres between the joints that both precisions see in real photographs, with the open-compact weights."""
    photos = StarterPhotos(StarterPhotos.Options()).people("test")
    exact, lower = (
        estimator(estimator.Options(weights="open-compact", precision=precision))
        for precision in ("float32", "bfloat16")
    )
    crops = exact.crop(photos, photo_box(photos))
    with torch.no_grad():
        expected = exact.predict(crops).joints
        joints = benchmark.pedantic(lower.predict, (crops,), rounds=2).joints
    difference = 1000 * (joints - expected).norm(dim=-1)
    benchmark.extra_info["mean_mm"] = round(difference.mean().item(), 2)
    benchmark.extra_info["largest_mm"] = round(difference.max().item(), 2)
    assert difference.mean() < 10
