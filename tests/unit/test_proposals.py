"""Where samples come from: the generator, and the baselines that it is compared with."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from blob_parts import appearance, body, method, rng
from torch import Tensor

from posegen.datasets.generated import Samples
from posegen.datasets.poses import mirror
from posegen.datasets.upright import ELEVATION
from posegen.generate import render_samples
from posegen.geometry import distances, rotvec_to_rotmat, to_spherical
from posegen.proposals import draw, learned, spread
from posegen.settings import CameraSettings, LoopSettings
from posegen.testing.blobs import BlobEstimator, BlobRenderer


def drawn(n: int = 400, **loop: Any) -> tuple[Tensor, Tensor]:
    return draw(method(loop={"warmup": 2, "batch": 8} | loop), n, rng(5))


def own(n: int = 400) -> tuple[Tensor, Tensor]:
    return method().draw(n, rng(5))


def rendered(n: int, candidates: int = 1, camera: CameraSettings = CameraSettings(size=24)) -> list[Samples]:  # noqa: B008
    random = rng(3)
    theta, view = 0.3 * torch.randn(n, 23, 3, generator=random), torch.randn(n, 3, generator=random)
    parts = {"renderer": BlobRenderer(body()), "estimator": BlobEstimator(rng(2)), "appearance": appearance()}
    return list(render_samples(theta, view, **parts, camera=camera, rng=rng(4), candidates=candidates))


class TestSources:
    def test_the_generator_is_the_default(self) -> None:
        for one, other in zip(drawn(), own(), strict=True):
            assert torch.equal(one, other)

    def test_uniform_views_are_spread_over_the_sphere_and_level(self) -> None:
        theta, view = drawn(2000, views="uniform")
        azimuth, elevation, roll = to_spherical(view)
        assert torch.equal(theta, own(2000)[0])
        assert roll.abs().max() < 1e-3
        for quantile in (0.1, 0.5, 0.9):
            assert elevation.sin().quantile(quantile) == pytest.approx(2 * quantile - 1, abs=0.08)
            assert azimuth.quantile(quantile) == pytest.approx(math.pi * (2 * quantile - 1), abs=0.25)

    def test_ordinary_views_are_at_chest_height_all_around(self) -> None:
        azimuth, elevation, roll = to_spherical(drawn(views="in_distribution")[1])
        low, high = (math.radians(e) for e in ELEVATION)
        assert low - 1e-4 <= elevation.min() < elevation.max() <= high + 1e-4
        assert roll.abs().max() < 1e-3
        assert azimuth.min() < -2.9 and azimuth.max() > 2.9

    def test_clips_are_real_poses(self) -> None:
        theta, view = drawn(poses="clips")
        assert torch.equal(view, own()[1])
        real = method().real_poses.poses
        either = torch.cat([real, mirror(real)])
        head = theta[:, 14]  # no part that another frame lends
        assert (head[:, None] == either[None, :, 14]).all(-1).any(1).all()

    @pytest.mark.parametrize("share", [{"poses": "clips"}, {"real": 1.0}])
    def test_real_poses_lean_as_they_were_filmed(self, share: dict[str, Any]) -> None:
        """The camera's up, in axes of a body that some frame or its mirror image turned, is the world's up again."""
        made = method(loop={"warmup": 2, "batch": 8, "views": "uniform", "lean": True} | share)
        theta, view = draw(made, 200, rng(5))
        still, upright = draw(method(loop={"warmup": 2, "batch": 8, "views": "uniform"} | share), 200, rng(5))
        real = made.real_poses
        frames = torch.cat([real.poses, mirror(real.poses)])[None, :, 14]
        roots = torch.cat([real.root, real.root * torch.tensor([1.0, -1.0, -1.0])])
        frame = (theta[:, None, 14] == frames).all(-1).float().argmax(1)
        in_world = rotvec_to_rotmat(roots[frame]) @ rotvec_to_rotmat(view)
        torch.testing.assert_close(in_world, rotvec_to_rotmat(upright), atol=1e-5, rtol=0)
        assert torch.equal(theta, still) and (view - upright).norm(dim=-1).mean() > 0.1

    def test_uniform_poses_fill_the_range_of_real_ones_and_no_more(self) -> None:
        theta, _ = drawn(2000, poses="uniform")
        real = method().real_poses.poses
        either = torch.cat([real, mirror(real)])
        low, high = either.amin(0), either.amax(0)
        assert (theta >= low).all() and (theta <= high).all()
        assert ((theta.amax(0) - theta.amin(0)) / (high - low)).min() > 0.98
        torch.testing.assert_close(theta.mean(0), (low + high) / 2, atol=0.03, rtol=0)

    def test_shares_of_real_poses_and_level_cameras(self) -> None:
        theta, view = drawn(real=0.25, level=0.5)
        plain, turned = own()
        assert (theta != plain).flatten(1).any(1).sum() == 100
        azimuth, elevation, roll = to_spherical(view)
        level = roll.abs() < 1e-3
        assert level.sum() == 200
        assert torch.equal(view[~level], turned[~level])
        for changed, angle in zip((azimuth, elevation), to_spherical(turned)[:2], strict=True):
            torch.testing.assert_close(changed, angle, atol=1e-3, rtol=0)

    def test_a_share_of_the_cameras_that_are_not_level_rolls_by_any_angle(self) -> None:
        _, view = drawn(4000, level=0.5, roll=0.5)
        azimuth, elevation, roll = to_spherical(view)
        was = to_spherical(own(4000)[1])
        changed, level = (roll - was[2]).abs() > 1e-3, roll.abs() < 1e-3
        assert level.sum() == pytest.approx(2000, abs=5)
        assert (changed & ~level).sum() == pytest.approx(1000, abs=5)
        counted = torch.histc(roll[changed & ~level], 4, -math.pi, math.pi)
        torch.testing.assert_close(counted / counted.sum(), torch.full((4,), 0.25), atol=0.05, rtol=0)
        for now, before in zip((azimuth, elevation), was[:2], strict=True):
            torch.testing.assert_close(now, before, atol=1e-3, rtol=0)

    def test_level_views_have_no_roll(self) -> None:
        theta, view = drawn(views="level")
        plain, turned = own()
        azimuth, elevation, roll = to_spherical(view)
        assert torch.equal(theta, plain) and roll.abs().max() < 1e-3
        for changed, angle in zip((azimuth, elevation), to_spherical(turned)[:2], strict=True):
            torch.testing.assert_close(changed, angle, atol=1e-3, rtol=0)

    @pytest.mark.parametrize("share", [0.0, 0.01, 0.25, 0.29, 1.0])
    def test_as_many_cameras_are_level_as_were_asked(self, share: float) -> None:
        _, view = drawn(level=share)
        assert (view != own()[1]).any(1).sum() == round(share * 400)

    @pytest.mark.parametrize("company", [0.5, 0.75, 0.8])
    def test_who_is_drawn_says_nothing_of_the_camera(self, company: float) -> None:
        """People are chosen by their place among the samples; a camera that went by it too would be one person's."""
        _, view = drawn(4000, level=0.5)
        level, shared = to_spherical(view)[2].abs() < 1e-3, spread(4000, company)
        others = shared.nonzero()[:, 0]
        for people in (~shared, *(torch.isin(torch.arange(4000), others[i::3]) for i in range(3))):
            assert level[people].float().mean() == pytest.approx(0.5, abs=0.07)

    @pytest.mark.parametrize(
        ("poses", "views", "trains"),
        [
            ("generator", "generator", True),
            ("generator", "uniform", True),
            ("clips", "generator", True),
            ("clips", "level", True),
        ]
        + [(poses, views, False) for poses in ("clips", "uniform") for views in ("uniform", "in_distribution")],
    )
    def test_the_generator_is_trained_where_it_is_asked(self, poses: Any, views: Any, trains: bool) -> None:
        assert learned(LoopSettings(poses=poses, views=views)) is trains

    def test_it_is_not_where_real_poses_take_every_place_and_views_are_random(self) -> None:
        assert not learned(LoopSettings(real=1.0, views="uniform")) and learned(LoopSettings(real=1.0))


def opacity(samples: Samples, points: Tensor) -> Tensor:
    """What is drawn where joints are said to be: (N,) the least of a person's joints, 0 to 1."""
    x, y = points.floor().long().clamp(0, 23).unbind(-1)
    return (samples.alpha[:, 0].float() / 255)[torch.arange(len(points))[:, None], y, x].amin(1)


class TestDistance:
    def test_it_is_one_or_any_within_its_share(self) -> None:
        away = distances(2000, 4.0, 0.25, rng(1))
        assert isinstance(away, Tensor) and 3.0 <= away.min() < 3.02 and 4.98 < away.max() <= 5.0
        assert distances(5, 3.0, 0.0, rng(1)) == 3.0

    def test_perspective_differs_and_labels_follow_the_picture(self) -> None:
        """Nearer cameras see joints elsewhere in a picture framed alike; what is drawn stands where they say."""
        near, far = (rendered(64, camera=CameraSettings(size=24, distance=4.0, spread=s)) for s in (0.5, 0.0))
        apart = [(a.points - b.points).abs().amax((1, 2)) for a, b in zip(near, far, strict=True)]
        assert (torch.cat(apart) > 0.02).float().mean() > 0.8
        seen = [opacity(a, a.points) for a in near]
        assert torch.cat(seen).min() > 0.3
        assert torch.cat([opacity(a, b.points) for a, b in zip(near, far, strict=True)]).min() < 0.1, "not of another's"


class TestCandidates:
    @pytest.mark.parametrize("candidates", [2, 3, 32])
    def test_those_with_the_largest_error_are_kept(self, candidates: int) -> None:
        n = 3 * candidates
        errors = torch.cat([batch.error for batch in rendered(n)])
        kept = rendered(n, candidates)
        size = max(1, 32 // candidates) * candidates
        expected = [part.topk(len(part) // candidates).values.sort().values for part in errors.split(size)]
        assert [len(batch) for batch in kept] == [len(part) for part in expected]
        for batch, part in zip(kept, expected, strict=True):
            torch.testing.assert_close(batch.error.sort().values, part)

    def test_pictures_and_labels_stay_together(self) -> None:
        (everyone,), (kept,) = rendered(6), rendered(6, candidates=3)
        for i in range(len(kept)):
            (j,) = torch.nonzero((everyone.theta == kept.theta[i]).flatten(1).all(1))[0].tolist()
            assert torch.equal(everyone.image[j], kept.image[i])
            assert torch.equal(everyone.truth[j], kept.truth[i])


def test_without_weight_no_feedback_is_rendered() -> None:
    made = method(feedback={"every": 1, "samples": 4, "w2": 0.0})
    assert all(progress.error is None for progress in made.train(4))
