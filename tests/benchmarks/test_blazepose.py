"""BlazePose: milliseconds for 16 crops, one thread (``pytest tests/benchmarks --benchmark-only``)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from posegen_blazepose.estimator import BlazePose
from posegen_starter.photos import StarterPhotos

BATCH = 16


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("variant", ["lite", "full"])
def test_predict(benchmark, variant: str) -> None:
    estimator = BlazePose(BlazePose.Options(variant=variant))
    crops = StarterPhotos(StarterPhotos.Options()).people("train")[:BATCH]
    with torch.no_grad():
        estimate = benchmark.pedantic(estimator.predict, (crops,), rounds=5, warmup_rounds=1)
    assert estimate.joints.shape == (BATCH, 33, 3)


@pytest.mark.parametrize("variant", ["lite", "full"])
def test_gradient_of_the_weights(benchmark, variant: str) -> None:
    estimator = BlazePose(BlazePose.Options(variant=variant))
    photos = StarterPhotos(StarterPhotos.Options())
    crops, truth = photos.people("train")[:BATCH], photos.people_joints("train")[1][:BATCH]

    def step() -> None:
        estimator.module.zero_grad(set_to_none=True)
        (estimator.predict(crops).joints - truth).norm(dim=-1).mean().backward()

    benchmark.pedantic(step, rounds=5, warmup_rounds=1)
    assert estimator.module.world.weight.grad.any()
