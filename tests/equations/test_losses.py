"""Eq 6-10 and 13 against the equations written out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from posegen import losses
from posegen.body.joints import JOINT_SETS
from posegen.geometry import rotvec_to_rotmat
from posegen.labels import Labels
from posegen.types import Estimate, Marginals

JOINT_SET = JOINT_SETS["blazepose33"]


def joints(seed: int, n: int = 5) -> torch.Tensor:
    return torch.randn(n, len(JOINT_SET), 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hand(estimate: torch.Tensor, truth: torch.Tensor) -> list[float]:
    """Eq 6 with loops."""
    out = []
    for e, t in zip(estimate.tolist(), truth.tolist(), strict=True):
        centre = [[sum(j[i][k] for i in JOINT_SET.root) / len(JOINT_SET.root) for k in range(3)] for j in (e, t)]
        total = 0.0
        for i in JOINT_SET.limbs:
            total += math.dist(
                [e[i][k] - centre[0][k] for k in range(3)],
                [t[i][k] - centre[1][k] for k in range(3)],
            )
        out.append(total / len(JOINT_SET.limbs))
    return out


def test_eq6_is_the_mean_joint_distance_after_centring() -> None:
    estimate, truth = joints(0), joints(1)
    assert losses.joint_error(estimate, truth, JOINT_SET).tolist() == pytest.approx(by_hand(estimate, truth), abs=1e-12)


def test_eq6_ignores_where_the_person_stands() -> None:
    estimate, truth = joints(0), joints(1)
    moved = losses.joint_error(estimate + torch.tensor([3.0, -1.0, 9.0]), truth, JOINT_SET)
    torch.testing.assert_close(moved, losses.joint_error(estimate, truth, JOINT_SET))


@pytest.mark.parametrize(
    ("scenario", "clamp", "expected"),
    [
        ("in_distribution", False, [0.1, 0.9, 1.4]),
        ("in_distribution", True, [0.1, 0.9, 1.4]),
        ("out_of_distribution", False, [0.9, 0.1, -0.4]),
        ("out_of_distribution", True, [0.9, 0.1, 0.0]),
    ],
)
def test_eq7_lowers_or_raises_the_error_up_to_c(scenario: losses.Scenario, clamp: bool, expected: list[float]) -> None:
    error = torch.tensor([0.1, 0.9, 1.4])
    assert losses.feedback(error, scenario, 1.0, clamp).tolist() == pytest.approx(expected, abs=1e-6)


def test_eq7_pushes_no_further_than_c() -> None:
    error = torch.tensor([0.5, 1.5], requires_grad=True)
    losses.feedback(error, "out_of_distribution", 1.0, True).sum().backward()
    assert error.grad is not None
    assert error.grad.tolist() == [-1.0, 0.0]


def test_eq9_and_eq10_are_least_squares_with_the_scripts_half() -> None:
    real, fake = torch.tensor([[0.5, 2.0]]), torch.tensor([[1.0, -1.0]])
    assert losses.adversarial(fake).item() == pytest.approx(0.5 * (0 + 4) / 2)
    assert losses.discriminator(real, fake).item() == pytest.approx(0.5 * ((0.25 + 1) / 2 + (1 + 1) / 2))


class TestEq13:
    """Two samples: one 0.1 m off at every joint, one 0.5 m off."""

    def setup_method(self) -> None:
        self.truth = joints(2, 2)
        offset = torch.zeros_like(self.truth)
        others = [j for j in range(len(JOINT_SET)) if j not in JOINT_SET.root]
        offset[0, others, 0] = 0.1
        offset[1, others, 0] = 0.5
        self.share = len(others) / len(JOINT_SET)
        self.estimate = (losses.centred(self.truth, JOINT_SET) + offset).requires_grad_()

    @pytest.mark.parametrize(
        ("over_d", "expected", "kept"),
        [("drop", 0.1, [True, False]), ("zero", 0.05, [True, False]), ("keep", 0.3, [True, True])],
    )
    def test_samples_over_d(self, over_d: str, expected: float, kept: list[bool]) -> None:
        loss, mask = losses.finetune(
            self.estimate,
            self.truth,
            JOINT_SET,
            d=0.2,
            over_d=over_d,
            scale_aligned=False,  # type: ignore[arg-type]
        )
        assert loss.item() == pytest.approx(expected * self.share)
        assert mask.tolist() == kept

    def test_a_dropped_sample_has_no_gradient(self) -> None:
        losses.finetune(self.estimate, self.truth, JOINT_SET, d=0.2, scale_aligned=False)[0].backward()
        assert self.estimate.grad is not None
        assert self.estimate.grad[0].abs().max() > 0
        assert self.estimate.grad[1].abs().max() == 0

    def test_all_dropped_gives_zero_not_nan(self) -> None:
        loss, mask = losses.finetune(self.estimate, self.truth, JOINT_SET, d=0.01, scale_aligned=False)
        assert loss.item() == 0
        assert not mask.any()

    def test_scale_alignment_forgives_size_alone(self) -> None:
        grown = 1.7 * self.truth + 4
        loss, _ = losses.finetune(grown, self.truth, JOINT_SET, d=0.2)
        assert loss.item() == pytest.approx(0, abs=1e-9)
        unaligned, _ = losses.finetune(grown, self.truth, JOINT_SET, d=0.2, over_d="keep", scale_aligned=False)
        assert unaligned.item() > 0.3


def test_eq13_on_the_joints_of_the_published_script() -> None:
    smpl, published = JOINT_SETS["smpl24"], [1, 2, 4, 5, 7, 8, 12, 15, 16, 17, 18, 19, 20, 21]
    assert losses.judged(smpl, "paper") == published
    assert losses.judged(smpl, "limbs") == [j for j in published if j not in (12, 15)]
    assert losses.judged(smpl, "all") == list(range(24))
    assert losses.judged(JOINT_SETS["blazepose33"], "paper") == sorted(JOINT_SETS["blazepose33"].limbs)
    rng = torch.Generator().manual_seed(3)
    estimate, truth = torch.randn(2, 5, 24, 3, generator=rng).unbind()
    p, t = ((x - x[:, :1])[:, published] for x in (estimate, truth))
    scale = t.flatten(1).norm(dim=1) / p.flatten(1).norm(dim=1)  # as the script aligns: over these joints alone
    expected = (p * scale[:, None, None] - t).norm(dim=-1).mean()
    loss, _ = losses.finetune(estimate, truth, smpl, d=9.0, joints="paper")
    torch.testing.assert_close(loss, expected)


def test_score_function_estimates_the_gradient_without_bias() -> None:
    """For L(x) = sum x^2, x ~ N(m, s^2): grad E[L] = 2 m. The estimate's mean over many draws must agree."""
    rng = torch.Generator().manual_seed(0)
    mean = torch.tensor([[0.3, -0.2, 0.5]], dtype=torch.float64).repeat(64, 1).requires_grad_()
    sigma, gradients = 0.3, []
    for _ in range(400):
        sample = mean.detach() + sigma * torch.randn(mean.shape, generator=rng, dtype=mean.dtype)
        surrogate = losses.score_function(sample.square().sum(1), (sample,), (mean,), sigma)
        (gradient,) = torch.autograd.grad(surrogate, mean)
        gradients.append(gradient.sum(0))
    estimates = torch.stack(gradients)
    error = estimates.std(0) / len(estimates) ** 0.5
    assert ((estimates.mean(0) - 2 * mean[0].detach()).abs() < 4 * error).all()
    assert (error < 0.1).all()


def test_cross_entropy_is_least_where_the_mean_of_the_probabilities_is_the_place() -> None:
    """Over all distributions of eight bins it is least at one whose mean is the place, and is that one's entropy."""
    place = torch.tensor([[0.3, 0.0, 0.875, 0.999]])
    logits = torch.zeros(1, 4, 8, requires_grad=True)
    adam = torch.optim.Adam([logits], lr=0.1)
    for _ in range(400):
        adam.zero_grad()
        losses.cross_entropy(logits.softmax(-1), place).sum().backward()
        adam.step()
    p = logits.detach().softmax(-1)
    mean = (p * torch.arange(8) / 8).sum(-1)
    torch.testing.assert_close(mean, place.clamp(max=0.875), rtol=0, atol=2e-3)  # the last bin stands for 7 / 8
    entropy = -(p * (p + 1e-6).log()).sum(-1)
    torch.testing.assert_close(losses.cross_entropy(p, place), entropy, rtol=0, atol=2e-2)


def test_cross_entropy_by_hand() -> None:
    p = torch.tensor([[[0.1, 0.2, 0.3, 0.4]]])
    one, two = losses.cross_entropy(p, torch.tensor([[0.5]])), losses.cross_entropy(p, torch.tensor([[0.3125]]))
    assert one.item() == pytest.approx(-math.log(0.3), abs=1e-5)  # bin 2 of 4
    assert two.item() == pytest.approx(-0.75 * math.log(0.2) - 0.25 * math.log(0.3), abs=1e-5)  # bin 1.25


def labels(n: int = 4) -> Labels:
    """Of smpl24; of the last crop nothing but the joints is known."""
    random = torch.Generator().manual_seed(3)
    turns = rotvec_to_rotmat(torch.randn(n, 24, 3, generator=random, dtype=torch.float64))
    place = torch.rand(n, 24, 2, generator=random, dtype=torch.float64) - 0.5
    known = Labels(0.3 * torch.randn(n, 24, 3, generator=random, dtype=torch.float64), turns, place)
    rest = Labels.of_joints(known.joints)
    return known.where(torch.arange(n) < n - 1, rest)


def test_rotations_by_hand_where_they_are_known() -> None:
    truth = labels()
    said = 0.5 * joints(5, 4)[:, :24]
    estimate = Estimate(truth.joints, body_pose=said[:, 1:].requires_grad_(), global_orient=said[:, 0])
    wanted = [
        sum((a - b) ** 2 for a, b in zip(x.flatten().tolist(), y.flatten().tolist(), strict=True))
        for x, y in zip(rotvec_to_rotmat(said)[:3].flatten(0, 1), truth.rotations[:3].flatten(0, 1), strict=True)
    ]
    loss = losses.rotations(estimate, truth)
    assert loss.item() == pytest.approx(sum(wanted) / len(wanted))
    loss.backward()
    assert estimate.body_pose is not None and estimate.body_pose.grad is not None
    assert estimate.body_pose.grad[:3].abs().min() > 0 and (estimate.body_pose.grad[3] == 0).all()
    assert losses.rotations(Estimate(truth.joints), truth) == 0


def test_heatmaps_by_hand_where_the_places_are_known() -> None:
    truth, smpl = labels(), JOINT_SETS["smpl24"]
    logits = torch.randn(3, 4, 24, 16, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    logits.requires_grad_()
    seen = Marginals(*logits.softmax(-1), extent=2.0)
    away = 0.5 + (truth.joints - truth.joints[:, :1])[..., 2] / 2.0
    wanted = [
        sum(
            losses.cross_entropy(p[i : i + 1, j : j + 1], place[i : i + 1, j : j + 1]).item()
            for p, place in zip(
                (seen.across, seen.down, seen.away), (*(0.5 + truth.place).unbind(-1), away), strict=True
            )
        )
        for i in range(3)
        for j in range(24)
    ]
    loss = losses.heatmaps(Estimate(truth.joints, marginals=seen), truth, smpl)
    assert loss.item() == pytest.approx(sum(wanted) / len(wanted))
    loss.backward()
    assert logits.grad is not None and logits.grad.isfinite().all()
    assert (logits.grad[:, :3].abs().sum((0, 2, 3)) > 0).all() and (logits.grad[:, 3] == 0).all()
    assert losses.heatmaps(Estimate(truth.joints), truth, smpl) == 0


@pytest.mark.parametrize("beyond", ["across", "down", "away"])
def test_a_joint_outside_the_heatmaps_is_not_taught_to_lie_on_their_border(beyond: str) -> None:
    joints, place = torch.zeros(1, 24, 3), torch.zeros(1, 24, 2)
    if beyond == "away":
        joints[0, 5, 2] = 1.1
    else:
        place[0, 5, ("across", "down").index(beyond)] = -0.6
    logits = torch.randn(3, 1, 24, 16, generator=torch.Generator().manual_seed(4), requires_grad=True)
    seen = Marginals(*logits.softmax(-1), extent=2.0)
    losses.heatmaps(
        Estimate(joints, marginals=seen), replace(Labels.of_joints(joints), place=place), JOINT_SETS["smpl24"]
    ).backward()
    assert logits.grad is not None
    taught = logits.grad.abs().sum((0, 1, 3)) > 0
    assert taught.tolist() == [joint != 5 for joint in range(24)]


def test_what_nobody_knows_teaches_nothing() -> None:
    unknown = Labels.of_joints(labels().joints)
    seen = Marginals(*torch.full((3, 4, 24, 8), 1 / 8), extent=2.0)
    assert losses.heatmaps(Estimate(unknown.joints, marginals=seen), unknown, JOINT_SETS["smpl24"]) == 0
    assert losses.rotations(Estimate(unknown.joints, torch.zeros(4, 23, 3), torch.zeros(4, 3)), unknown) == 0


def test_what_leaves_its_range_counts_squared() -> None:
    theta, low, high = torch.zeros(2, 23, 3), torch.full((23, 3), -0.5), torch.full((23, 3), 1.0)
    assert losses.joint_limits(theta, low, high) == 0
    theta[0, 4, 1], theta[0, 7, 0], theta[1, 0, 2] = -0.7, 1.0, 2.0
    assert losses.joint_limits(theta, low, high).item() == pytest.approx((0.2**2 + 1.0**2) / 2)
