"""The open benchmark: the same on every run, apart from what is trained on, distributed as documented."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from blob_parts import body
from posegen_mesh.renderer import MeshRenderer
from posegen_starter.motion import StarterMotion
from posegen_starter.photos import StarterPhotos
from torch.nn import functional as F

from posegen.body.joints import JOINT_SETS
from posegen.datasets.open import ACROBATIC, NAMES, SIZE, SPLITS, Shots, check, shots
from posegen.datasets.photos import photo_box
from posegen.datasets.upright import LEAN
from posegen.errors import UsageError
from posegen.geometry import rotvec_to_rotmat
from posegen.types import Camera, Clip, Render

MOTION, PHOTOS = StarterMotion(StarterMotion.Options()), StarterPhotos(StarterPhotos.Options())


@cache
def mesh(subject: str) -> MeshRenderer:
    return MeshRenderer(MeshRenderer.Options(subject=subject))


@cache
def drawn(name: str, samples: int = 8) -> Shots:
    return shots(name, "smpl24", motion=MOTION, photos=PHOTOS, mesh=mesh, samples=samples)


class Thumbnails(StarterPhotos):
    def backgrounds(self, split: str) -> torch.Tensor:
        return super().backgrounds(split)[..., ::32, ::32]


class Recorder:
    """Draws nothing, and keeps what it is asked to draw: thousands of views in a moment."""

    differentiable = False

    def __init__(self) -> None:
        self.body, self.poses, self.cameras = body(), [], []  # type: ignore[var-annotated]

    def render(self, pose: torch.Tensor, camera: Camera) -> Render:
        self.poses.append(pose)
        self.cameras.append(camera)
        return Render(torch.zeros(len(pose), 3, 8, 8), torch.ones(len(pose), 1, 8, 8))


def recorded(name: str, samples: int = 10_000) -> Recorder:
    return asked(name, samples)[0]


def asked(name: str, samples: int) -> tuple[Recorder, Shots]:
    recorder = Recorder()
    made = shots(
        name,
        "smpl24",
        motion=MOTION,
        photos=Thumbnails(StarterPhotos.Options()),
        mesh=lambda subject: recorder,
        samples=samples,
    )
    return recorder, made


def frames(split: str) -> torch.Tensor:
    return torch.cat([clip.poses for clip in MOTION.clips(split)])


def rows(poses: torch.Tensor) -> set[bytes]:
    return {pose.numpy().tobytes() for pose in poses}


@pytest.mark.parametrize("name", SPLITS)
def test_each_picture_is_of_the_clip_that_it_names(name: str) -> None:
    """People take turns, so that pictures are not in the order in which frames were drawn."""
    recorder, made = asked(name, 60)
    known = MOTION.clips("validation") + MOTION.clips("test")
    clips = {clip.name: rows(clip.poses[:, 1:].float()) for clip in known}
    poses = torch.cat(recorder.poses)
    assert len(made.clips) == len(made.image) == len(poses) == 60
    assert len(set(made.clips)) > 1
    assert all(pose.numpy().tobytes() in clips[clip] for pose, clip in zip(poses, made.clips, strict=True))


class TestShots:
    @pytest.mark.parametrize("name", SPLITS)
    def test_shapes(self, name: str) -> None:
        got = drawn(name)
        assert got.image.shape == (8, 3, SIZE, SIZE) and got.image.dtype == torch.uint8
        assert got.box.shape == (8, 4) and got.joints.shape == (8, 24, 3) and got.joint_set == "smpl24"

    @pytest.mark.parametrize("name", SPLITS)
    def test_are_the_same_every_time(self, name: str) -> None:
        torch.rand(3)
        again = shots(name, "smpl24", motion=MOTION, photos=PHOTOS, mesh=mesh, samples=8)
        for field in ("image", "box", "joints"):
            assert torch.equal(getattr(again, field), getattr(drawn(name), field))

    def test_splits_differ(self) -> None:
        images = [drawn(name).image for name in SPLITS]
        for i, one in enumerate(images):
            assert not any(torch.equal(one, other) for other in images[i + 1 :])

    @pytest.mark.parametrize("name", SPLITS)
    @pytest.mark.parametrize("samples", [1, 2, 5])
    def test_few_samples(self, name: str, samples: int) -> None:
        """Fewer than the split has subjects, too."""
        got = shots(name, "blazepose33", motion=MOTION, photos=PHOTOS, mesh=mesh, samples=samples)
        assert len(got.image) == len(got.box) == len(got.joints) == samples
        assert got.joints.shape[1] == len(JOINT_SETS["blazepose33"])

    def test_no_more_than_there_are(self) -> None:
        assert len(torch.cat(recorded("usd", 10**6).poses)) == len(frames("test"))

    def test_every_joint_set_shows_the_same_person(self) -> None:
        other = shots("usd", "blazepose33", motion=MOTION, photos=PHOTOS, mesh=mesh, samples=8)
        assert torch.equal(other.image, drawn("usd").image)
        names = JOINT_SETS["smpl24"].joints.index("left_knee"), JOINT_SETS["blazepose33"].joints.index("left_knee")
        assert (other.joints[:, names[1]] - drawn("usd").joints[:, names[0]]).norm(dim=-1).max() < 0.1


class TestTruth:
    @pytest.mark.parametrize("name", ["ind", "usd", "ood_action"])
    def test_lies_in_the_picture(self, name: str) -> None:
        """The truth, put before the camera that drew, falls on the person's alpha."""
        cameras, alphas = [], []

        class Watched:
            differentiable = False

            def __init__(self, subject: str) -> None:
                self.real = mesh(subject)
                self.body = self.real.body

            def render(self, pose: torch.Tensor, camera: Camera) -> Render:
                render = self.real.render(pose, camera)
                cameras.append(camera)
                alphas.append(render.alpha)
                return render

        got = shots(name, "smpl24", motion=MOTION, photos=PHOTOS, mesh=Watched, samples=8)
        intrinsics = torch.cat([c.intrinsics for c in cameras])
        seen = got.joints + torch.cat([c.translation for c in cameras])[:, None]
        pixels = seen @ intrinsics.transpose(-1, -2)
        pixels = (pixels[..., :2] / pixels[..., 2:]).floor().long()
        assert pixels.min() >= 0 and pixels.max() < SIZE
        on = F.max_pool2d((torch.cat(alphas) > 0.5).float(), 7, 1, 3)
        hit = on[torch.arange(len(on))[:, None], 0, pixels[..., 1], pixels[..., 0]]
        assert hit.mean() > 0.97
        x0, y0, x1, y1 = got.box.unbind(1)
        assert (x1 > x0).all() and (y1 > y0).all()
        alpha = torch.cat(alphas)[:, 0] > 0.5
        for person, (a, b, c, d) in zip(alpha, got.box.int().tolist(), strict=True):
            assert person[b:d, a:c].sum() == person.sum()


class TestApart:
    @pytest.mark.parametrize("name", SPLITS)
    def test_no_pose_is_one_of_training(self, name: str) -> None:
        training = rows(frames("train")[:, 1:])
        assert training
        assert not training & rows(torch.cat(recorded(name).poses))

    def test_no_clip_of_validation_is_reported_in_usd(self) -> None:
        validation, reported = (set(asked(name, 400)[1].clips) for name in ("validation", "usd"))
        assert validation == {clip.name for clip in MOTION.clips("validation")} and not validation & reported

    def test_acrobatic_clips_are_not_trained_on(self) -> None:
        trained = {clip.name for clip in MOTION.clips("train")}
        held = {clip.name for split in ("validation", "test") for clip in MOTION.clips(split)}
        assert set(ACROBATIC) <= held and not set(ACROBATIC) & trained

    def test_backgrounds(self) -> None:
        train, test = (PHOTOS.backgrounds(split) for split in ("train", "test"))
        for one in test:
            assert min((one - other).abs().mean() for other in [*train, *train.flip(-1)]) > 0.05

    def test_people(self) -> None:
        """The photographs that are measured are of another person than those that are retained."""
        train, test = (PHOTOS.people(split) for split in ("train", "test"))
        assert not rows(train) & rows(test)

    def test_subjects_of_people_and_users_differ(self) -> None:
        assert not set(SPLITS["ood_people"].subjects) & set(SPLITS["usd"].subjects)


class TestViews:
    def roots(self, recorder: Recorder) -> torch.Tensor:
        """How the bodies that were drawn are turned in the clips (N,3)."""
        known = {pose[1:].numpy().tobytes(): pose[0] for s in ("validation", "test") for pose in frames(s)}
        return torch.stack([known[pose.numpy().tobytes()] for pose in torch.cat(recorder.poses)])

    def angles(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Elevation in degrees and azimuth of the camera, in the world where the clip was filmed."""
        recorder = recorded(name)
        turn = torch.cat([c.rotation for c in recorder.cameras])  # body to camera axes, R0 Exp(K)^T
        position = (
            rotvec_to_rotmat(self.roots(recorder)) @ (turn.transpose(1, 2) @ torch.tensor([0.0, 0.0, -1.0]))[..., None]
        )
        x, y, z = position[:, :, 0].unbind(1)
        return torch.asin(y.clamp(-1, 1)).rad2deg(), torch.atan2(x, z)

    @pytest.mark.parametrize("name", ["ind", "ood_action"])
    def test_elevations_are_those_documented(self, name: str) -> None:
        bounds = SPLITS[name].elevation
        assert bounds is not None
        low, high = bounds
        elevation, azimuth = self.angles(name)
        assert elevation.min() >= low - 0.1 and elevation.max() <= high + 0.1
        share = (elevation - low) / (high - low)
        assert kolmogorov_smirnov(share) < 1.63, "uniform between the bounds, at the 1 % level"
        assert kolmogorov_smirnov((azimuth + math.pi) / (2 * math.pi)) < 1.63, "on every side"

    @pytest.mark.parametrize("name", ["usd", "ood_people", "validation"])
    def test_uniform_on_the_sphere(self, name: str) -> None:
        elevation, azimuth = self.angles(name)
        height = torch.sin(elevation.deg2rad())
        assert len(height) > 250
        assert kolmogorov_smirnov((height + 1) / 2) < 1.63
        assert kolmogorov_smirnov((azimuth + math.pi) / (2 * math.pi)) < 1.63
        x, z = (f(azimuth) * (1 - height**2).sqrt() for f in (torch.sin, torch.cos))
        position = torch.stack([x, height, z], 1)
        spread = position.T @ position / len(position)
        assert (spread - torch.eye(3) / 3).abs().max() < 0.07, "no direction is preferred"

    @pytest.mark.parametrize("name", SPLITS)
    def test_no_camera_is_rolled_in_the_world(self, name: str) -> None:
        """Whatever the person does, the horizon stays level: the camera's x axis is horizontal."""
        recorder = recorded(name, 300)
        sideways = torch.cat([c.rotation for c in recorder.cameras])[:, 0]
        roots = self.roots(recorder)
        assert (rotvec_to_rotmat(roots) @ sideways[..., None])[:, 1].abs().max() < 1e-4

    def test_the_person_stands_upright_where_it_should(self) -> None:
        upright = {
            pose[1:].numpy().tobytes() for pose in frames("test") if rotvec_to_rotmat(pose[None, 0])[0, 1, 1] > LEAN
        }
        assert rows(torch.cat(recorded("ind").poses)) == upright
        assert 0 < len(upright) <= len(frames("test"))

    def test_acrobatics_are_drawn_from_acrobatic_clips(self) -> None:
        clips = [c.poses for s in ("validation", "test") for c in MOTION.clips(s) if c.name in ACROBATIC]
        assert rows(torch.cat(recorded("ood_action").poses)) == rows(torch.cat(clips)[:, 1:])


def kolmogorov_smirnov(share: torch.Tensor) -> float:
    """sqrt(n) times the largest distance from the uniform distribution on [0,1]; 1.63 is the 1 % level."""
    ordered = share.sort().values
    n = len(ordered)
    steps = torch.arange(n + 1) / n
    return math.sqrt(n) * max(float((steps[1:] - ordered).max()), float((ordered - steps[:-1]).max()))


class TestReal:
    def test_is_the_checked_person_and_the_stronger_model(self) -> None:
        got = shots("real", "smpl24", motion=MOTION, photos=PHOTOS, mesh=mesh, samples=3)
        assert got.joint_set == "blazepose33" and got.joints.shape == (52, 33, 3)
        people = PHOTOS.people("test")
        assert torch.equal(got.image, (people * 255).round().to(torch.uint8))
        assert torch.equal(got.box, photo_box(people))


class TestMistakes:
    def test_unknown_split(self) -> None:
        with pytest.raises(UsageError, match="no split 'usb' in the open benchmark") as caught:
            shots("usb", "smpl24", motion=MOTION, photos=PHOTOS, mesh=mesh, samples=3)
        assert "did you mean 'usd'?" in caught.value.hint
        with pytest.raises(UsageError) as caught:
            check(["ind", "3dpw-test-xyz-long"])
        assert "ind, usd, ood_people, ood_action, validation, real" in caught.value.hint
        check(NAMES)

    @pytest.mark.parametrize("name", SPLITS)
    def test_motion_without_such_poses(self, name: str) -> None:
        class Lying:
            def clips(self, split: str) -> list[Clip]:
                poses = torch.zeros(3, 24, 3)
                poses[:, 0, 0] = math.pi / 2
                return [Clip("rest", split, poses, torch.zeros(3, 3), 30.0)]

        if name in ("usd", "ood_people", "validation"):
            assert len(shots(name, "smpl24", motion=Lying(), photos=PHOTOS, mesh=mesh, samples=2).image) == 2
            return
        with pytest.raises(UsageError, match=f"split '{name}' of the open benchmark finds no poses") as caught:
            shots(name, "smpl24", motion=Lying(), photos=PHOTOS, mesh=mesh, samples=2)
        assert "evaluate.splits" in caught.value.hint
