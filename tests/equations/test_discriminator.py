"""The discriminator of the paper: six parts and the whole body, no viewpoint, and what Eq 9-10 make of it."""

from __future__ import annotations

import math

import pytest
import torch
from posegen_discriminators.parts import PARTS, Parts
from posegen_starter.motion import StarterMotion
from torch import Tensor, nn

from posegen import losses
from posegen.body import JOINT_SETS

SMPL = {  # official-code.md has them by number; the root (pelvis) is the viewpoint and not part of theta
    "left_leg": "left_knee left_ankle left_foot",
    "right_leg": "right_knee right_ankle right_foot",
    "left_arm": "spine3 left_collar left_shoulder left_elbow left_wrist left_hand",
    "right_arm": "spine3 right_collar right_shoulder right_elbow right_wrist right_hand",
    "torso": "left_hip right_hip spine1 spine2 spine3 left_collar right_collar left_shoulder right_shoulder",
    "head": "spine3 neck head",
    "body": " ".join(JOINT_SETS["smpl24"].joints[1:]),
}


def build(seed: int = 0, **options: int) -> Parts:
    return Parts(Parts.Options(**options), generator=torch.Generator().manual_seed(seed))


def real_poses() -> Tensor:
    motion = StarterMotion(StarterMotion.Options())
    return torch.cat([clip.poses[:, 1:] for clip in motion.clips("train")])


def test_each_part_has_the_joints_that_its_name_says() -> None:
    names = JOINT_SETS["smpl24"].joints[1:]
    assert {part: " ".join(names[row] for row in rows) for part, rows in PARTS.items()} == SMPL


def test_each_score_depends_on_its_own_joints_alone() -> None:
    judge = build(width=32, out_width=32)
    pose = torch.zeros(1, 23, 3)
    for column, rows in enumerate(PARTS.values()):
        (gradient,) = torch.autograd.grad(judge.scores(pose.requires_grad_())[0, column], pose)
        assert gradient[0].abs().amax(-1).nonzero().flatten().tolist() == sorted(rows)


def test_sizes_are_those_of_the_published_script() -> None:
    """7.1 million parameters; without the root the torso and the whole body have 3 inputs less each."""
    joints = [len(rows) for rows in PARTS.values()]
    layers = [[(3 * j, 500), (500, 500), (500, 500), (500, 1000), (1000, 1)] for j in joints]
    judges = build().judges
    for judge, expected in zip(judges.values(), layers, strict=True):
        found = [(layer.in_features, layer.out_features) for layer in judge if isinstance(layer, nn.Linear)]
        assert found == expected
        assert [layer.negative_slope for layer in judge if isinstance(layer, nn.LeakyReLU)] == [0.01] * 4


def test_weights_start_kaiming_normal_from_the_generator() -> None:
    judge, same, other = build(1), build(1), build(2)
    for (name, a), b, c in zip(judge.named_parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b) and not torch.equal(a, c), name
    weight = judge.judges["body"][2].weight
    assert weight.std().item() == pytest.approx(math.sqrt(2 / 500), rel=0.01)
    assert weight.mean().abs().item() < 5 * math.sqrt(2 / 500) / 500


def test_without_a_generator_torchs_own_is_used() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        first = Parts(Parts.Options(width=8, out_width=8))
        torch.manual_seed(4)
        second = Parts(Parts.Options(width=8, out_width=8))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_eq10_teaches_it_to_tell_real_poses_from_noise_and_eq9_leads_back() -> None:
    judge = build(width=64, out_width=64)
    rng = torch.Generator().manual_seed(0)
    real = real_poses()
    adam = torch.optim.Adam(judge.parameters(), lr=1e-3)
    for _ in range(120):
        truth = real[torch.randint(len(real), (64,), generator=rng)]
        loss = losses.discriminator(judge.scores(truth), judge.scores(torch.randn(64, 23, 3, generator=rng)))
        adam.zero_grad()
        loss.backward()
        adam.step()
    fake = torch.randn(64, 23, 3, generator=rng)
    with torch.no_grad():
        real_score, fake_score = judge.scores(real[::10]).mean(0), judge.scores(fake).mean(0)
    assert (real_score > 0.7).all() and (fake_score < 0.3).all()

    poses = fake.clone().requires_grad_()
    ascent = torch.optim.Adam([poses], lr=0.02)
    for _ in range(60):  # what Eq 9 asks of the generator: noise becomes more human in every part
        ascent.zero_grad()
        losses.adversarial(judge.scores(poses)).backward()
        ascent.step()
    assert (judge.scores(poses).mean(0) > fake_score + 0.3).all()
