"""The reference march and the renderer around it: gradients, geometry, and pictures that must not surprise."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from anerf_people import SMALL, balls, person
from posegen_anerf.bounds import cylinder, near_far
from posegen_anerf.rays import pixel_centres, rays, sight
from posegen_anerf.reference import cast, draw, resample
from posegen_anerf.renderer import AnerfRenderer
from posegen_anerf.skeleton import FLIP, UNIT, bones_to_world, in_camera, joints_of

from posegen.errors import UsageError
from posegen.geometry import from_spherical, orbit, rotvec_to_rotmat, view_rotation
from posegen.types import Camera

FEW = SMALL.model_copy(update={"samples": 16, "importance": 8, "multires": 1, "multires_views": 0})
DENSE = SMALL.model_copy(update={"samples": 256, "importance": 4, "multires": 1, "single": True})


@pytest.fixture(scope="module")
def subject():
    return person(FEW)


def some_pose(n=1, seed=0):
    return 0.4 * torch.randn(n, 23, 3, generator=torch.Generator().manual_seed(seed))


def some_view(n=1, seed=1):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed))


def picture(subject, pose, camera, **how):
    image, alpha = draw(subject, bones_to_world(pose, subject.rest_joints), camera, **how)
    return torch.cat([image, alpha], dim=1)


def renderer(subject, tmp_path, **options):
    path = tmp_path / "person.safetensors"
    subject.save(path)
    return AnerfRenderer(AnerfRenderer.Options(subject=str(path), march="reference", **options))


# ---------------------------------------------------------------- geometry


def test_world_and_camera_frames_agree():
    """A point has one place in bone axes, whether it comes from the world, along a ray, or from camera axes."""
    pose, camera = some_pose(3), orbit(some_view(3), size=64)
    skts = bones_to_world(pose, person(FEW).rest_joints)
    world = torch.randn(3, 5, 3, generator=torch.Generator().manual_seed(2))
    field_world = world * UNIT * torch.tensor(FLIP)
    local = torch.einsum("njab,npb->npja", skts[..., :3, :3], field_world) + skts[:, None, :, :3, 3]
    origins, directions = rays(camera, camera.project(world))
    depth = camera.to_camera(world)[..., 2:] * UNIT
    torch.testing.assert_close(origins[:, None] + depth * directions, field_world, atol=1e-5, rtol=0)
    seen, turned = in_camera(skts, camera), camera.to_camera(world) * UNIT
    again = torch.einsum("njab,npb->npja", seen[..., :3, :3], turned) + seen[:, None, :, :3, 3]
    torch.testing.assert_close(again, local, atol=1e-5, rtol=0)
    torch.testing.assert_close(sight(camera, camera.project(world)) * depth, turned, atol=1e-5, rtol=0)


def test_joints_of_the_transforms_are_the_bodys(subject):
    pose = some_pose(2)
    joints = joints_of(bones_to_world(pose, subject.rest_joints))
    expected = bones_to_world(pose, subject.rest_joints).inverse()[..., :3, 3]
    torch.testing.assert_close(joints, expected, atol=1e-5, rtol=0)


def test_pixel_centres_are_at_half_integers():
    camera = replace(orbit(torch.zeros(1, 3), size=2), width=3)
    assert pixel_centres(camera).tolist() == [[0.5, 0.5], [1.5, 0.5], [2.5, 0.5], [0.5, 1.5], [1.5, 1.5], [2.5, 1.5]]


def test_rays_meet_the_cylinder_where_they_should():
    bounds = torch.tensor([0.0, 5.0, 1.0, -1.0, 1.0])
    through = torch.tensor([[0.0, 0, 1], [0.0, 0.5, 2], [0.1, 0, 1], [0.9, 0, 1], [0, 1, 0], [0, 0, -1.0]])
    near, far, hit = near_far(torch.zeros(6, 3), through, bounds)
    assert hit.tolist() == [True, True, True, False, False, False]
    assert near[:2].tolist() == [4.0, 2.0] and far[:2].tolist() == [6.0, 3.0]
    near, far, hit = near_far(torch.tensor([[0.0, 0, 5.5]]), torch.tensor([[0.0, 0, 1]]), bounds)
    assert (float(near), float(far), bool(hit)) == (0.0, 0.5, True)


def test_importance_samples_lie_where_the_weight_is():
    depths = torch.linspace(0, 1, 11)[None]
    weights = torch.zeros(1, 11)
    weights[0, 5] = 1
    for spread in (False, True):
        found = resample(depths, weights, 9, spread)[0]
        assert found.diff().min() >= 0
        inside = ((found > 0.34 if spread else found > 0.44) & (found < (0.66 if spread else 0.56))).sum()
        assert inside >= 6


# ---------------------------------------------------------------- gradients


def smooth_loss(render):
    """A weight for each pixel and channel, without symmetry."""
    weight = torch.linspace(-1, 1, render[0].numel(), dtype=render.dtype).sin().reshape(render[0].shape)
    return (render * weight).sum()


def close_up(view, size=8):
    """Cameras that see most of the person, as ``orbit`` does."""
    return orbit(view, size=size, distance=3.0, focal=1.6 * size)


@pytest.mark.parametrize("what", ["theta", "view", "rotation", "translation", "intrinsics"])
def test_gradients_are_the_finite_differences(what):
    """In float64; dense samples, since the gradient takes samples to stay at their depths."""
    subject = replace(person(DENSE), fine=balls(DENSE, tau=20.0, density=20.0).double())
    pose, view = some_pose().double(), some_view().double()
    camera = close_up(view)
    bases = {"theta": pose, "view": view, **{k: getattr(camera, k) for k in ("rotation", "translation", "intrinsics")}}
    base = bases[what]

    def loss(value):
        if what == "theta":
            return smooth_loss(picture(subject, value, camera))
        if what == "view":
            return smooth_loss(picture(subject, pose, close_up(value)))
        return smooth_loss(picture(subject, pose, replace(camera, **{what: value})))

    leaf = base.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(leaf), leaf)
    if what == "intrinsics":  # its last row and the zero below the skew are no camera's to change
        gradient = gradient * gradient.new_tensor([[1.0, 1, 1], [0, 1, 1], [0, 0, 0]])
    length = float(gradient.norm())
    move = gradient / length
    step = 1e-4 if what != "intrinsics" else 1e-3
    with torch.no_grad():
        expected = float(loss(base + step * move) - loss(base - step * move)) / (2 * step)
    assert length > 1
    assert abs(expected / length - 1) < 0.03


def test_the_gradient_of_samples_that_stay_is_exact(subject):
    """One pass of few samples between fixed depths, in float64: to seven digits."""
    single = replace(subject, fine=balls(FEW).double(), coarse=balls(FEW).double())
    camera = close_up(some_view().double())
    rays_at = sight(camera, pixel_centres(camera))[0]
    near, far = (torch.full((len(rays_at),), depth * UNIT, dtype=torch.float64) for depth in (2.0, 4.0))

    def loss(pose):
        skts = in_camera(bones_to_world(pose, subject.rest_joints), camera)[0]
        return smooth_loss(cast(single, skts, torch.zeros_like(rays_at), rays_at, near, far)[0].rgb[None])

    leaf = some_pose().double().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(leaf), leaf)
    move = torch.randn(leaf.shape, generator=torch.Generator().manual_seed(3), dtype=leaf.dtype)
    with torch.no_grad():
        expected = (loss(leaf + 1e-6 * move) - loss(leaf - 1e-6 * move)) / 2e-6
    assert float(gradient.norm()) > 1e-2
    torch.testing.assert_close((gradient * move).sum(), expected, atol=1e-7, rtol=1e-6)


def test_a_picture_is_the_same_with_a_graph_and_in_any_chunks(subject):
    pose, camera = some_pose(), close_up(some_view())
    with torch.no_grad():
        plain = picture(subject, pose, camera)
        torch.testing.assert_close(picture(subject, pose, camera, chunk=7), plain, atol=1e-5, rtol=0)
    gradients = []
    for chunk in (7, 1024):
        leaf = pose.clone().requires_grad_()
        image = picture(subject, leaf, camera, chunk=chunk)
        torch.testing.assert_close(image.detach(), plain, atol=1e-5, rtol=0)
        gradients.append(torch.autograd.grad(smooth_loss(image), leaf)[0])
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-4, rtol=1e-3)


# ---------------------------------------------------------------- pictures


def test_moving_the_camera_is_turning_the_root(subject):
    """Camera by K, or root by its inverse before the camera of K = 0: the same picture."""
    pose, view = some_pose(), some_view()
    seen = picture(subject, pose, orbit(view, size=32))
    skts = bones_to_world(pose, subject.rest_joints)
    flip = torch.diag(torch.tensor(FLIP))
    turn = torch.eye(4).repeat(1, 1, 1)
    turn[:, :3, :3] = flip @ rotvec_to_rotmat(view) @ flip
    image, alpha = draw(subject, skts @ turn[:, None], orbit(torch.zeros_like(view), size=32))
    torch.testing.assert_close(torch.cat([image, alpha], dim=1), seen, atol=2e-3, rtol=0)
    assert float(alpha.max()) > 0.9


def test_joints_lie_on_the_person_from_everywhere(tmp_path, subject):
    """Above and below as well, where a cylinder along the world's vertical would be seen end on."""
    drawn = renderer(subject, tmp_path)
    elevation = torch.tensor([0.0, 1.55, -math.pi / 2, 0.8])
    view = from_spherical(torch.tensor([0.3, 0.0, 2.0, -2.5]), elevation)
    pose, camera = some_pose(4), orbit(view, size=48)
    alpha = drawn.render(pose, camera).alpha
    pixels = camera.project(drawn.body.joints(pose)).floor().long().clamp(0, 47)
    on = alpha[torch.arange(4)[:, None], 0, pixels[..., 1], pixels[..., 0]] > 0.3
    assert on.float().mean(1).min() > 0.9


def test_not_square(tmp_path, subject):
    """A picture without its right half is the left half of the picture."""
    drawn, camera = renderer(subject, tmp_path), orbit(some_view(), size=32)
    whole = drawn.render(some_pose(), camera)
    half = drawn.render(some_pose(), replace(camera, width=16))
    assert half.image.shape == (1, 3, 32, 16)
    torch.testing.assert_close(half.image, whole.image[..., :16], atol=1e-5, rtol=0)
    torch.testing.assert_close(half.alpha, whole.alpha[..., :16], atol=1e-5, rtol=0)


def test_one_pixel(tmp_path, subject):
    """It looks at the pelvis."""
    drawn = renderer(subject, tmp_path)
    camera = orbit(torch.zeros(1, 3), size=1, focal=300.0)
    centred = replace(camera, translation=torch.tensor([[0.0, 0.0, 4.0]]))
    out = drawn.render(torch.zeros(1, 23, 3), centred)
    assert out.image.shape == (1, 3, 1, 1) and float(out.alpha) > 0.9
    aside = replace(centred, translation=torch.tensor([[1.0, 0.0, 4.0]]))
    assert float(drawn.render(torch.zeros(1, 23, 3), aside).alpha) == 0


def test_a_person_outside_of_the_picture(tmp_path, subject):
    """Beside it, behind the camera, and so far away that nothing is left: an empty image, and gradients of zero."""
    drawn = renderer(subject, tmp_path)
    camera = orbit(torch.zeros(4, 3), size=16)
    where = torch.tensor([[50.0, 0, 4], [0, -50.0, 4], [0, 0, -4.0], [0, 0.25, 1e5]])
    pose = torch.zeros(4, 23, 3, requires_grad=True)
    out = drawn.render(pose, replace(camera, translation=where))
    assert not out.image[:3].any() and not out.alpha[:3].any()
    assert float(out.alpha[3].detach().sum()) < 0.1
    (out.image.sum() + out.alpha.sum()).backward()
    assert torch.isfinite(pose.grad).all() and not pose.grad[:3].any()


def test_a_camera_inside_the_body(tmp_path, subject):
    drawn = renderer(subject, tmp_path)
    camera = replace(orbit(torch.zeros(1, 3), size=8), translation=torch.tensor([[0.0, 0.0, 0.0]]))
    pose = torch.zeros(1, 23, 3, requires_grad=True)
    out = drawn.render(pose, camera)
    assert float(out.alpha.detach().min()) > 0.9  # it stands in the ball of the pelvis
    out.image.sum().backward()
    assert torch.isfinite(out.image).all() and torch.isfinite(pose.grad).all()


def test_no_pictures(tmp_path, subject):
    out = renderer(subject, tmp_path).render(torch.zeros(0, 23, 3), orbit(torch.zeros(0, 3), size=8))
    assert out.image.shape == (0, 3, 8, 8) and out.alpha.shape == (0, 1, 8, 8)


def test_frame_codes_change_the_colour_alone(tmp_path):
    config = FEW.model_copy(update={"framecode_size": 4, "framecodes": 3})
    made = person(config)
    with torch.no_grad():
        made.fine.framecodes.codes.weight.mul_(20)
    camera, pose = orbit(torch.zeros(1, 3), size=24), some_pose()
    mean, one, two = (renderer(made, tmp_path, frame=f).render(pose, camera) for f in (None, 1, 2))
    for out in (one, two):
        assert float((out.image - mean.image).abs().max()) > 0.01
        torch.testing.assert_close(out.alpha, mean.alpha, atol=1e-5, rtol=0)
    with pytest.raises(UsageError, match="no frame 3\nhint: 0 to 2"):
        renderer(made, tmp_path, frame=3)
    with pytest.raises(UsageError, match="no frame codes"):
        renderer(person(FEW), tmp_path, frame=0)


def test_the_single_network_merges_its_samples(subject):
    """With one network for both passes, evaluating the union again gives what merging gives."""
    single = person(FEW.model_copy(update={"single": True}))
    skts = in_camera(bones_to_world(some_pose(), single.rest_joints), orbit(torch.zeros(1, 3), size=8))
    camera = orbit(torch.zeros(1, 3), size=8)
    directions = sight(camera, pixel_centres(camera))[0]
    origins = torch.zeros_like(directions)
    near, far, hit = near_far(origins, directions, cylinder(joints_of(skts))[0])
    parts = [t[hit] for t in (origins, directions, near, far)]
    merged = cast(single, skts[0], *parts)[1]
    twice = replace(single, config=FEW, coarse=balls(FEW))
    again = cast(twice, skts[0], *parts)[1]
    assert float(merged.alpha.max()) > 0.9
    for name in ("alpha", "rgb"):  # sampled with another spread
        torch.testing.assert_close(getattr(merged, name), getattr(again, name), atol=0.03, rtol=0)


# ---------------------------------------------------------------- input


def test_a_coloured_ball_is_where_it_should_be(tmp_path, subject):
    """Left of the body (+X) is right in a picture from the front."""
    drawn = renderer(subject, tmp_path)
    pose = torch.zeros(1, 23, 3)
    pose[:, 16, 2] = -1.3  # the right shoulder: that arm hangs up or down, and no longer reaches out
    alpha = drawn.render(pose, orbit(torch.zeros(1, 3), size=48)).alpha[0, 0]
    columns = (alpha > 0.5).any(0).nonzero()[:, 0]
    assert 47 - columns.max() < columns.min()


def wrong_inputs():
    pose, camera = torch.zeros(2, 23, 3), orbit(torch.zeros(2, 3), size=8)
    nan = torch.full((2, 3), torch.nan)
    return [
        (pose[:1], camera, "camera rotation has shape"),
        (torch.zeros(2, 24, 3), camera, r"pose has shape \(2, 24, 3\)"),
        (torch.tensor(1.0), camera, "pose has shape"),
        (pose * torch.nan, camera, "pose holds values that are not finite"),
        (pose, replace(camera, translation=nan), "camera translation holds values"),
        (pose, replace(camera, intrinsics=torch.zeros(2, 3)), "camera intrinsics has shape"),
        (pose, replace(camera, intrinsics=-camera.intrinsics), "focal length is not positive"),
        (pose, replace(camera, width=0), "0 x 8 pixels"),
    ]


@pytest.mark.parametrize(("pose", "camera", "said"), wrong_inputs())
def test_wrong_input_is_one_sentence(tmp_path, subject, pose, camera, said):
    with pytest.raises(UsageError, match=said):
        renderer(subject, tmp_path).render(pose, camera)


def test_other_float_types(tmp_path, subject):
    """The picture is float32 whatever comes in."""
    drawn, camera = renderer(subject, tmp_path), orbit(some_view().double(), size=16)
    assert isinstance(camera, Camera)
    out = drawn.render(some_pose().double(), camera)
    assert out.image.dtype == out.alpha.dtype == torch.float32
    one = drawn.render(some_pose(), orbit(some_view(), size=16))
    torch.testing.assert_close(out.image, one.image, atol=1e-3, rtol=0)


def test_view_rotation_is_the_cameras(subject):
    """The camera of ``orbit`` has the rotation that the frames above rely on."""
    view = some_view()
    torch.testing.assert_close(orbit(view, size=8).rotation, view_rotation(view))
