"""The pool of samples that a round is fine-tuned on: the hardest, and of these the most different."""

from __future__ import annotations

import pytest
import torch
from blob_parts import PLAIN, appearance, body, rng

from posegen.body.joints import JOINT_SETS
from posegen.datasets.generated import concatenate
from posegen.generate import render_samples
from posegen.hardest import errors, hardest
from posegen.settings import CameraSettings
from posegen.testing.blobs import BlobEstimator, BlobRenderer

SET = JOINT_SETS["smpl24"]


def people(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 24, 3, generator=rng(seed))


def closest(truth: torch.Tensor) -> float:
    """The distance of the two that are most alike."""
    apart = torch.cdist(truth.flatten(1), truth.flatten(1)) + 1e9 * torch.eye(len(truth))
    return apart.min().item()


def test_they_are_among_the_hardest_and_the_hardest_is_one() -> None:
    error = torch.rand(50, generator=rng(1))
    kept = hardest(error, people(50), SET, 10)
    assert len(kept) == len(set(kept.tolist())) == 10 and torch.equal(kept, kept.sort().values)
    assert set(kept.tolist()) <= set(error.topk(22).indices.tolist())  # the geometric mean of 50 and 10
    assert int(error.argmax()) in kept


def test_where_half_is_kept_the_error_still_has_a_say() -> None:
    error, truth = torch.rand(60, generator=rng(1)), people(60)
    kept = hardest(error, truth, SET, 30)
    assert error[kept].mean() > error.mean() + 0.05
    other = torch.rand(60, generator=rng(5))
    assert not torch.equal(kept, hardest(other, truth, SET, 30))


def test_none_is_the_double_of_another_while_there_are_others() -> None:
    """Ten people, five times each: every one of the ten is kept once."""
    truth = people(10).repeat(5, 1, 1)
    error = 1 + 0.01 * torch.rand(50, generator=rng(1))
    kept = hardest(torch.cat([error, torch.zeros(50)]), torch.cat([truth, people(50, 3)]), SET, 25)
    assert {int(i) % 10 for i in kept[kept < 50]} == set(range(10))
    assert len(set(kept.tolist())) == 25, "none of them is taken twice"
    ten = hardest(error, truth, SET, 10)
    assert {int(i) % 10 for i in ten} == {int(i) % 10 for i in error.topk(22).indices}


def test_they_differ_more_than_the_hardest_alone_do() -> None:
    truth, error = people(200), torch.rand(200, generator=rng(1))
    kept = hardest(error, truth, SET, 20)
    assert closest(truth[kept]) > closest(truth[error.topk(20).indices])


def test_where_somebody_stands_is_no_difference() -> None:
    """Joints are centred on the root."""
    truth, error = people(40), torch.rand(40, generator=rng(1))
    moved = truth + 100 * torch.randn(40, 1, 3, generator=rng(2))
    assert torch.equal(hardest(error, truth, SET, 8), hardest(error, moved, SET, 8))


@pytest.mark.parametrize("keep", [1, 40, 99])
def test_no_more_than_there_are(keep: int) -> None:
    assert len(hardest(torch.rand(40, generator=rng(1)), people(40), SET, keep)) == min(keep, 40)


def test_the_error_is_the_present_estimators() -> None:
    """Of all pictures, those too that nobody had judged."""
    theta, view = 0.3 * torch.randn(40, 23, 3, generator=rng(3)), torch.randn(40, 3, generator=rng(4))
    first, second = BlobEstimator(rng(2)), BlobEstimator(rng(7))

    parts = {"renderer": BlobRenderer(body()), "appearance": appearance(PLAIN), "camera": CameraSettings(size=24)}
    samples = concatenate(list(render_samples(theta, view, estimator=first, rng=rng(5), judged=True, **parts)))
    joint_set = body().joint_set("smpl24")
    again, other = (torch.cat(list(errors(samples, e, joint_set))) for e in (first, second))
    torch.testing.assert_close(again, samples.error, atol=2e-3, rtol=0)  # the same grey, in bytes
    assert (other - samples.error).abs().max() > 0.01
