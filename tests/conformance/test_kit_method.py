"""The kit finds these faults of a prior and of a discriminator."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from .faulty import Fault, WrongGradient, around, assert_found, broken, nan, noisy, without_mean
from .healthy import Discriminator, Prior


def sample(function) -> type:
    return broken(Prior, sample=lambda self, n, dim, generator: function(n, dim, generator))


def scores(change) -> type:
    return around(Discriminator, "scores", change)


class BatchNormed(Discriminator):
    def __init__(self, options, *, device="cpu") -> None:
        super().__init__(options)
        self.judge.insert(1, nn.BatchNorm1d(16))


class Frozen(Discriminator):
    def __init__(self, options, *, device="cpu") -> None:
        super().__init__(options)
        self.requires_grad_(False)


class Unsaved(Discriminator):
    """Its weights are not in its state."""

    def __init__(self, options, *, device="cpu") -> None:
        super().__init__(options)
        self.hidden = [self.judge]
        self.judge = nn.Linear(1, 1)

    def scores(self, pose):
        return self.hidden[0](pose.flatten(1))


PRIOR: list[Fault] = [
    (sample(lambda n, d, g: torch.randn(d, n, generator=g)), "samples_have_the_shape", r"shape \(5, 32\)"),
    (sample(lambda n, d, g: torch.randn(n, d, generator=g).double()), "samples_have_the_shape", "float32"),
    (sample(lambda n, d, g: nan(torch.zeros(n, d))), "samples_have_the_shape", "finite"),
    (sample(lambda n, d, g: torch.randn(n, d)), "samples_follow_the_generator", "same seed"),
    (sample(lambda n, d, g: torch.ones(n, d)), "samples_follow_the_generator", "another"),
    (
        sample(lambda n, d, g: torch.randn(n, d, generator=g.manual_seed(0))),
        "samples_follow_the_generator",
        "another seed",
    ),
    (
        sample(lambda n, d, g: torch.randn(n, d, generator=torch.Generator().manual_seed(g.initial_seed()))),
        "samples_follow_the_generator",
        "second draw",
    ),
    (
        sample(lambda n, d, g: torch.randn(n, d, generator=g) + 0 * torch.rand(1)),
        "samples_leave_the_global_generator",
        "given generator alone",
    ),
    (sample(lambda n, d, g: torch.randn(n, 1, generator=g) * torch.eye(d)[0]), "samples_vary", "every dimension"),
]
DISCRIMINATOR: list[Fault] = [
    (scores(lambda s: s[:, 0]), "scores_have_the_shape", r"shape \(3, any\)"),
    (scores(nan), "scores_have_the_shape", "NaN"),
    (scores(noisy), "scores_are_repeatable", "dropout"),
    (scores(without_mean), "scores_are_batch_independent", "one at a time"),
    (BatchNormed, "scores_are_batch_independent", "more than 1 value per channel"),
    (scores(lambda s: s.detach()), "gradient_reaches_the_pose", "no graph"),
    (scores(lambda s: s - s.detach() + s.detach().round()), "gradient_reaches_the_pose", "lower the loss"),
    (scores(WrongGradient.apply), "gradient_reaches_the_pose", "lower the loss"),
    (scores(lambda s: s * 0), "gradient_reaches_the_pose", "zero everywhere"),
    (Frozen, "can_be_trained", "parameters that can be trained"),
    (scores(WrongGradient.apply), "can_be_trained", "must lower its loss"),
    (Unsaved, "state_survives", "bring the scores back"),
]


@pytest.mark.parametrize("fault", PRIOR, ids=[name for _, name, _ in PRIOR])
def test_a_fault_of_a_prior_is_found(fault: Fault) -> None:
    assert_found("prior", fault)


@pytest.mark.parametrize("fault", DISCRIMINATOR, ids=[name for _, name, _ in DISCRIMINATOR])
def test_a_fault_of_a_discriminator_is_found(fault: Fault) -> None:
    assert_found("discriminator", fault)
