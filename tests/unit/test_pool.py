"""The discriminator's memory of earlier proposals."""

from __future__ import annotations

import pytest
import torch

from posegen.pool import PosePool


def batch(n: int, value: float) -> torch.Tensor:
    return torch.full((n, 23, 3), value)


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def values(pose: torch.Tensor) -> list[float]:
    return pose[:, 0, 0].tolist()


def test_until_it_is_full_a_batch_passes_unchanged() -> None:
    pool, random = PosePool(10), rng()
    for value in (1.0, 2.0, 3.0):
        assert values(pool.swap(batch(4, value), random)) == [value] * 4
    assert pool.poses is not None
    assert values(pool.poses) == [1.0] * 4 + [2.0] * 4 + [3.0] * 2


def test_then_half_of_a_batch_is_exchanged() -> None:
    pool, random = PosePool(1000), rng()
    pool.swap(batch(1000, 0.0), random)
    out = pool.swap(batch(1000, 1.0), random)
    older = values(out).count(0.0)
    assert 430 < older < 570
    assert pool.poses is not None
    assert values(pool.poses).count(1.0) == older, "what was given away is replaced by what came"


def test_no_pose_is_lost_or_doubled() -> None:
    pool, random = PosePool(50), rng()
    seen = [torch.arange(50.0 * i, 50.0 * i + 50).view(-1, 1, 1).expand(-1, 23, 3).clone() for i in range(4)]
    out = [pool.swap(poses, random) for poses in seen]
    assert pool.poses is not None
    # the first batch fills the pool and is passed on as well, so it is there twice
    everything = sorted(values(torch.cat([*out[1:], pool.poses])))
    assert everything == sorted(values(torch.cat(seen)))


def test_the_batch_itself_is_not_written_to() -> None:
    pool, random = PosePool(4), rng()
    first = batch(4, 1.0)
    pool.swap(first, random)
    pool.swap(batch(4, 2.0), random)
    assert values(first) == [1.0] * 4


@pytest.mark.parametrize("n", [7, 8, 9, 40])
def test_a_batch_larger_than_the_pool(n: int) -> None:
    pool, random = PosePool(8), rng()
    for value in (1.0, 2.0, 3.0):
        assert pool.swap(batch(n, value), random).shape == (n, 23, 3)


def test_one_seed_gives_one_history() -> None:
    ends = []
    for _ in range(2):
        pool, random = PosePool(16), rng()
        ends.append(torch.cat([pool.swap(batch(8, float(i)), random) for i in range(9)]))
    assert torch.equal(*ends)
