"""What a fit draws its pictures with: packed network, samples in capsules, the hull; and how pictures are judged."""

from __future__ import annotations

import pytest
import torch
from fit_parts import TINY, small_views, some_rays
from posegen_anerf.fit import network
from posegen_anerf.fit.capsules import crossings, distances, ray_distances, segments, typical_radii
from posegen_anerf.fit.draw import March, draw
from posegen_anerf.fit.fit import Fit
from posegen_anerf.fit.hull import Hull, dilated
from posegen_anerf.fit.measure import psnr, ssim
from posegen_anerf.fit.network import GAIN, finished
from posegen_anerf.fit.sampling import sample
from posegen_anerf.skeleton import FLIP, UNIT, bones_to_world, joints_of

from posegen.types import Views


@pytest.fixture(scope="module")
def views() -> Views:
    return small_views()


@pytest.fixture(scope="module")
def skts(views):
    return bones_to_world(views.poses, views.rest_joints)


@pytest.mark.parametrize("skip", [1, TINY.depth - 1], ids=["skip", "none after the last layer"])
def test_the_packed_network_is_the_field(views, skts, skip):
    """Encoding by recurrence, blocks of zeros and densities first give what ``Field`` gives."""
    run = Fit(views, TINY.model_copy(update={"multires_views": 2, "skip": skip}))
    field, whole = run.field, finished(run.field)
    points = 0.6 * torch.randn(2 * 40, 3, generator=torch.Generator().manual_seed(2))
    directions = torch.randn(2, 3, generator=torch.Generator().manual_seed(3))
    seen = network.encode(field, points, directions, skts[:2], [40, 40], 1)
    h = network.trunk(field, seen.points)
    ray = torch.arange(2).repeat_interleave(40)
    raw = whole(points.view(2, 40, 3), directions, skts[:2]).view(80, 4)
    torch.testing.assert_close(network.density(field, seen, h), raw[:, 3], atol=GAIN * 1e-5, rtol=1e-4)
    torch.testing.assert_close(network.colours(field, seen, h, ray, None), raw[:, :3], atol=1e-4, rtol=1e-4)


def test_left_out_samples_do_not_matter(views, skts):
    run = Fit(views, TINY)
    for _ in range(30):
        run.iterate()
    rays = some_rays(views, skts, count=256)
    every = draw(run.field, rays, March(run.radii, 0.03))
    some = draw(run.field, rays, March(run.radii, 0.03, threshold=1e-3))
    torch.testing.assert_close(some.rgb, every.rgb, atol=0.03, rtol=0)
    torch.testing.assert_close(some.alpha, every.alpha, atol=0.03, rtol=0)


def test_capsules_and_rays(skts):
    """Points on a ray are within a capsule exactly between where it enters and leaves."""
    rng = torch.Generator().manual_seed(4)
    origins = torch.tensor([[0.0, 0.0, -4.0]]).expand(300, 3)
    directions = torch.cat([0.25 * torch.randn(300, 2, generator=rng), torch.ones(300, 1)], 1)
    ends = tuple(end.expand(300, -1, -1) for end in segments(skts[:1]))
    radii = typical_radii()
    near, far = crossings(origins, directions, ends, radii)
    depth = torch.linspace(0.0, 8.0, 800)
    points = origins[:, None] + depth[:, None] * directions[:, None]
    inside = distances(points, ends) < radii
    between = (depth[:, None] >= near[:, None]) & (depth[:, None] <= far[:, None])
    assert (inside != between).float().mean() < 2e-4  # rounding at the surface
    assert inside.any()
    least = distances(points, ends).amin(1)
    assert (ray_distances(origins, directions, ends) - least).abs().max() < 0.02


def test_samples_fill_the_capsules_alone(views, skts):
    rays = some_rays(views, skts, count=200)
    ends = tuple(end.expand(200, -1, -1) for end in segments(rays.skts))
    each = rays.skts.expand(200, -1, -1, -1)
    samples = sample(rays.origins, rays.directions, each, typical_radii(), 0.03)
    points = rays.origins[samples.ray] + samples.depth[:, None] * rays.directions[samples.ray]
    reach = distances(points[:, None], tuple(end[samples.ray] for end in ends))[:, 0]
    assert ((reach - typical_radii()).amin(1) < 0.03).all()  # a bin may reach out of it
    assert (samples.padded(samples.depth, 200).diff(dim=1)[:, : samples.widest - 1] != 0).any()
    same = samples.ray[1:] == samples.ray[:-1]
    assert (samples.depth.diff()[same] > 0).all()
    near, far = crossings(rays.origins, rays.directions, ends, typical_radii())
    hit = (near < far).any(1)
    assert torch.equal(torch.bincount(samples.ray, minlength=200) > 0, hit)


def test_the_hull_keeps_the_person(views, skts):
    """Joints are inside of everybody; what one image of the pose shows beside the person is empty."""
    hull, learned = Hull(views), (~views.held_out).nonzero()[:, 0]
    for image in learned[::7]:
        pose = views.pose_index[image]
        joints = joints_of(skts[pose])
        assert hull.holds(joints, [24], image[None]).float().mean() > 0.95
        away = joints + torch.tensor([0.0, 0.0, 0.9])
        seen = views.cameras[learned[views.pose_index[learned] == pose]]
        pixel = seen.project((away * torch.tensor(FLIP) / UNIT).expand(len(seen), -1, -1)).floor().long()
        framed = ((pixel >= 0) & (pixel < 32)).all(-1)
        x, y = pixel.clamp(0, 31).unbind(-1)
        which = learned[views.pose_index[learned] == pose]
        person = dilated(views.masks[which], 2)[torch.arange(len(which))[:, None], y, x] | ~framed
        assert torch.equal(hull.holds(away, [24], image[None]), person.all(0))


def test_ssim_and_psnr_are_the_usual_ones():
    rng = torch.Generator().manual_seed(0)
    image = torch.rand(40, 40, 3, generator=rng)
    assert ssim(image, image).min() > 0.9999
    assert psnr(torch.full((10,), 0.01)).item() == pytest.approx(20.0)
    grey = torch.full((40, 40, 3), 0.5)
    expected = (2 * 0.5 * 0.6 + 1e-4) / (0.5**2 + 0.6**2 + 1e-4)  # flat images: the term of the means alone
    assert ssim(grey, grey + 0.1).mean().item() == pytest.approx(expected, rel=1e-3)
