"""The real poses: mirror images are mirror images, mixtures are made of real parts."""

from __future__ import annotations

import pytest
import torch
from posegen_starter.body import OpenBody
from posegen_starter.motion import StarterMotion

from posegen.body.joints import JOINT_SETS
from posegen.datasets.poses import LEFT_ARM, LEGS, RIGHT_ARM, RealPoses, bent, mirror
from posegen.errors import UsageError
from posegen.geometry import rotmat_to_rotvec, rotvec_to_rotmat
from posegen.types import Clip


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clips(n: int = 5) -> list[Clip]:
    poses = 0.4 * torch.randn(n, 24, 3, generator=rng(7))
    return [
        Clip("a", "train", poses[:2], torch.zeros(2, 3), 30.0),
        Clip("b", "train", poses[2:], torch.zeros(3, 3), 30.0),
    ]


class TestMirror:
    def test_twice_is_the_pose(self) -> None:
        pose = clips()[1].poses[:, 1:]
        assert torch.equal(mirror(mirror(pose)), pose)

    def test_rotations_are_reflected_in_x(self) -> None:
        """S R S with S = diag(-1,1,1), on the joint of the other side."""
        pose = clips()[1].poses[:, 1:]
        other = list(range(24))
        for left, right in JOINT_SETS["smpl24"].left_right:
            other[left], other[right] = right, left
        reflect = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
        expected = rotmat_to_rotvec(reflect @ rotvec_to_rotmat(pose) @ reflect)[:, [j - 1 for j in other[1:]]]
        torch.testing.assert_close(mirror(pose), expected, atol=1e-6, rtol=0)

    def test_joints_are_mirrored_in_space(self) -> None:
        """On a body that is itself symmetric to a few millimetres."""
        body = OpenBody(OpenBody.Options()).body()
        pose = clips()[1].poses[:, 1:]
        swap = list(range(24))
        for left, right in JOINT_SETS["smpl24"].left_right:
            swap[left], swap[right] = right, left
        joints, mirrored = body.joints(pose), body.joints(mirror(pose))
        expected = joints[:, swap] * torch.tensor([-1.0, 1.0, 1.0])
        assert (mirrored - expected).norm(dim=-1).max() < 0.01
        assert (mirrored - joints).norm(dim=-1).max() > 0.1


class TestSample:
    def test_every_part_is_a_real_part_or_its_mirror_image(self) -> None:
        real = RealPoses(clips())
        known = torch.cat([real.poses, mirror(real.poses)])
        sample = real.sample(64, rng())
        assert sample.shape == (64, 23, 3)
        parts = [LEGS, LEFT_ARM, RIGHT_ARM]
        rest = tuple(set(range(23)) - {j for part in parts for j in part})
        for part in (*parts, rest):
            matches = (sample[:, None, part] == known[None, :, part]).flatten(2).all(2)
            assert matches.any(1).all()

    def test_parts_do_not_overlap(self) -> None:
        joints = [j for part in (LEGS, LEFT_ARM, RIGHT_ARM) for j in part]
        assert len(joints) == len(set(joints)) == 18
        names = JOINT_SETS["smpl24"].joints
        assert all(names[j + 1].startswith("left") for j in LEFT_ARM)
        assert all(names[j + 1].startswith("right") for j in RIGHT_ARM)

    def test_half_of_the_legs_come_from_another_frame(self) -> None:
        real = RealPoses(clips())
        known = torch.cat([real.poses, mirror(real.poses)])
        sample = real.sample(2000, rng())
        torso, legs = (
            (sample[:, None, part] == known[None, :, part]).flatten(2).all(2).int().argmax(1) for part in ((2,), LEGS)
        )
        # half recombined, one donor in ten of those is the same frame by chance
        assert 0.40 < (torso != legs).float().mean() < 0.50

    def test_without_recombination_samples_are_frames(self) -> None:
        real = RealPoses(clips(), recombine=0.0)
        known = torch.cat([real.poses, mirror(real.poses)])
        sample = real.sample(64, rng())
        assert (sample[:, None] == known[None]).flatten(2).all(2).any(1).all()

    def test_is_drawn_from_the_generator_alone(self) -> None:
        real = RealPoses(clips())
        assert torch.equal(real.sample(9, rng(1)), real.sample(9, rng(1)))
        assert not torch.equal(real.sample(9, rng(1)), real.sample(9, rng(2)))

    def test_does_not_change_the_poses(self) -> None:
        real = RealPoses(clips())
        before = real.poses.clone()
        real.sample(200, rng())
        assert torch.equal(real.poses, before)

    def test_the_starter_has_enough(self) -> None:
        real = RealPoses(StarterMotion(StarterMotion.Options()).clips("train"))
        sample = real.sample(256, rng())
        assert len(sample.flatten(1).unique(dim=0)) > 250
        assert sample.isfinite().all()

    def test_no_clips(self) -> None:
        with pytest.raises(UsageError, match="no clip in its split 'train'"):
            RealPoses([])


def test_bent_poses_stay_near_and_have_every_size_of_turn() -> None:
    rng = torch.Generator().manual_seed(1)
    poses = torch.randn(4000, 23, 3, generator=rng)
    turns = (bent(poses, 0.4, rng) - poses).flatten(1).std(dim=1)
    assert turns.max() < 0.55 and turns.min() < 0.01
    assert turns.mean().item() == pytest.approx(0.2, abs=0.01)
    assert torch.equal(bent(poses, 0.0, rng), poses)
