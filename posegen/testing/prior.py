"""What a prior must hold to."""

from __future__ import annotations

import torch

from posegen.testing.expect import equal, require, tensor
from posegen.testing.kit import Case


def samples_have_the_shape(case: Case) -> None:
    """``sample(n, dim, generator)`` is (n, dim) float32, finite, on the generator's device."""
    for n, dim in ((5, 32), (1, 7), (3, 1)):
        tensor(case, case.part.sample(n, dim, _seeded(case, 0)), "sample(n, dim)", (n, dim))


def samples_follow_the_generator(case: Case) -> None:
    """One seed gives one sample, from the given generator alone; another seed, and the next draw, give another."""
    first = case.part.sample(8, 32, _seeded(case, 1))
    torch.manual_seed(12345)  # a prior that looked at the global generator would now give something else
    equal(case.build().sample(8, 32, _seeded(case, 1)), first, "the same seed must give the same sample")
    require(not torch.equal(case.part.sample(8, 32, _seeded(case, 2)), first), "another seed must give another sample")
    source = _seeded(case, 1)
    draws = [case.part.sample(8, 32, source) for _ in range(2)]
    require(not torch.equal(*draws), "a second draw from one generator must give another sample: do not reseed it")


def samples_leave_the_global_generator(case: Case) -> None:
    """Sampling draws nothing from torch's global generator."""
    before = torch.random.get_rng_state()
    case.part.sample(8, 32, _seeded(case, 1))
    require(torch.equal(before, torch.random.get_rng_state()), "sample must draw from the given generator alone")


def samples_vary(case: Case) -> None:
    """Samples differ from each other in every dimension."""
    z = case.part.sample(64, 8, _seeded(case, 3))
    require((z.std(0) > 0).all(), "samples must vary in every dimension of z")


def _seeded(case: Case, seed: int) -> torch.Generator:
    return torch.Generator(case.device).manual_seed(seed)


CHECKS = (
    samples_have_the_shape,
    samples_follow_the_generator,
    samples_leave_the_global_generator,
    samples_vary,
)
