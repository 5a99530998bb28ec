"""What a discriminator must hold to."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posegen.testing.expect import batch_independent, descends, equal, poses, require, tensor
from posegen.testing.kit import Case


def scores_have_the_shape(case: Case) -> None:
    """``scores`` of theta (N,23,3) is (N, heads) float32, finite, with the same heads for any N."""
    heads = tensor(case, case.part.scores(poses(case)), "scores(pose)", (3, None)).shape[1]
    require(heads > 0, "scores(pose) must have at least one head")
    tensor(case, case.part.scores(poses(case, 1)), "scores(pose)", (1, heads))


def scores_are_repeatable(case: Case) -> None:
    """The same poses get the same scores, and are left as they are."""
    pose = poses(case)
    kept = pose.clone()
    first = case.part.scores(pose)
    equal(pose, kept, "scores must not change the poses that it is given")
    equal(case.part.scores(pose), first, "the same poses must get the same scores (dropout?)")
    equal(case.build().scores(pose), first, "building it twice from one seed must give the same scores")


def scores_are_batch_independent(case: Case) -> None:
    """A pose's scores do not depend on the other poses of the batch."""
    pose = poses(case)
    batch_independent(lambda rows: case.part.scores(pose[rows]), 3, "the scores", 1e-5)


def gradient_reaches_the_pose(case: Case) -> None:
    """The generator learns through the scores (Eq 9)."""
    descends(lambda pose: (case.part.scores(pose) - 1).square().mean(), poses(case), "the pose")


def can_be_trained(case: Case) -> None:
    """It is an nn.Module with float32 parameters, and a step of Eq 10 lowers its loss."""
    part = case.build()
    require(isinstance(part, nn.Module), "a discriminator must be an nn.Module")
    parameters = [p for p in part.parameters() if p.requires_grad]
    require(bool(parameters), "a discriminator must have parameters that can be trained")
    require(all(p.dtype == torch.float32 for p in parameters), "its parameters must be float32")
    real, fake = poses(case, 4, seed=0), poses(case, 4, seed=1)

    def loss() -> Tensor:
        total: Tensor = (part.scores(real) - 1).square().mean() + part.scores(fake).square().mean()
        return total

    before = loss()
    before.backward()
    require(any(p.grad is not None and p.grad.any() for p in parameters), "the loss of Eq 10 must reach its parameters")
    length = torch.stack([p.grad.norm() for p in parameters if p.grad is not None]).norm()
    with torch.no_grad():
        for p in parameters:
            if p.grad is not None:
                p -= 1e-3 * p.grad / length
    require(loss() < before, "a small step against the gradient of Eq 10 must lower its loss")


def state_survives(case: Case) -> None:
    """Another instance with the same ``state_dict`` gives the same scores: checkpoints work."""
    torch.manual_seed(1)
    other = case.component(case.component.Options.model_validate(case.values), device=case.device)
    other.load_state_dict(case.part.state_dict())
    equal(other.scores(poses(case)), case.part.scores(poses(case)), "load_state_dict must bring the scores back")


CHECKS = (
    scores_have_the_shape,
    scores_are_repeatable,
    scores_are_batch_independent,
    gradient_reaches_the_pose,
    can_be_trained,
    state_survives,
)
