"""What a rendered person must look like."""

import math

import numpy as np
import pytest
import torch
from posegen_mesh.draw import draw
from posegen_mesh.light import Light
from posegen_mesh.renderer import MeshRenderer
from posegen_mesh.scene import scene
from posegen_starter.motion import StarterMotion
from posegen_starter.subjects import NAMES

from posegen.body import JOINT_SETS, forward_kinematics, skinning_transforms
from posegen.geometry import box_from_alpha, from_spherical, orbit, rotvec_to_rotmat, uniform_sphere
from posegen.types import Camera

JOINTS = JOINT_SETS["smpl24"].joints
FRONT = torch.zeros(1, 3)
REST = torch.zeros(1, 23, 3)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def renderer(subject="s0", **options):
    return MeshRenderer(MeshRenderer.Options(subject=subject, **options))


@pytest.fixture(scope="module")
def poses():
    return torch.cat([clip.poses for clip in StarterMotion(StarterMotion.Options()).clips("test")])[::18, 1:]


def at(image, pixel):
    """image (C,H,W), pixel (2,) -> (C,)."""
    return image[:, int(pixel[1]), int(pixel[0])]


def pixel_of(r, joint, pose, camera):
    return camera.project(r.body.joints(pose))[0, JOINTS.index(joint)]


def test_the_left_hand_is_on_our_right():
    r, camera = renderer(), orbit(FRONT)
    lowered = REST.clone()
    lowered[0, JOINTS.index("left_shoulder") - 1, 2] = -1.2  # clockwise for us: the person's left arm falls
    stretched = pixel_of(r, "left_wrist", REST, camera)
    assert stretched[0] > 128 + 30
    assert at(r.render(REST, camera).alpha[0], stretched) == 1
    assert at(r.render(lowered, camera).alpha[0], stretched) == 0
    assert at(r.render(lowered, camera).alpha[0], pixel_of(r, "left_wrist", lowered, camera)) == 1
    assert at(r.render(lowered, camera).alpha[0], pixel_of(r, "right_wrist", REST, camera)) == 1


def test_a_camera_above_sees_hair_and_one_below_sees_soles():
    r = renderer()
    colours = []
    for elevation in (math.pi / 2, -math.pi / 2):
        view = from_spherical(torch.zeros(1), torch.tensor([elevation]))
        camera = orbit(view)
        out = r.render(REST, camera)
        for joint, part in (("head", "hair"), ("left_foot", "shoes")):
            pixel = pixel_of(r, joint, REST, camera)
            assert at(out.alpha[0], pixel) == 1
            texture = scene("s0").subject.textures[scene("s0").subject.parts.index(part)]
            colours.append((at(out.image[0], pixel), torch.from_numpy(texture[texture[..., 3] > 128][:, :3]).float()))
    head_above, foot_above, head_below, foot_below = [
        float((seen * 255 - texels.mean(0)).abs().max() / texels.std()) for seen, texels in colours
    ]
    assert head_above < 2 < head_below, "from below the chin hides the hair"
    assert foot_below < 2, (foot_above, foot_below)


@pytest.mark.parametrize("subject", NAMES)
def test_joints_lie_inside_of_the_silhouette(subject, poses):
    r = renderer(subject)
    views = uniform_sphere(len(poses), rng(1))
    camera = orbit(views, distance=5.0)
    alpha = r.render(poses, camera).alpha
    pixels = camera.project(r.body.joints(poses)).long()
    where = torch.arange(len(poses))[:, None], 0, pixels[..., 1], pixels[..., 0]
    deep = [i for i, name in enumerate(JOINTS) if not name.endswith(("hand", "foot"))]
    assert (alpha[where][:, deep] > 0.5).all()
    # the last joint of a hand or foot lies under its skin: within a pixel of the silhouette
    assert (torch.nn.functional.max_pool2d(alpha, 3, 1, 1)[where] > 0.5).all()
    box = box_from_alpha(alpha)
    joints = camera.project(r.body.joints(poses))
    reach = torch.stack([joints.amin(1) - box[:, :2], box[:, 2:] - joints.amax(1)])
    assert reach.min() > -2
    assert reach.max() < 40, "nothing of a person is further than a hand or a foot from all joints"


def test_moving_the_camera_by_k_is_turning_the_root_by_its_inverse(poses):
    r = renderer("s2")
    pose, view = poses[7:8], torch.tensor([[0.4, -1.1, 0.7]])
    moved = r.render(pose, orbit(view))
    root = rotvec_to_rotmat(view).transpose(1, 2)
    rotations = torch.cat([root[:, None], rotvec_to_rotmat(pose)], 1)
    camera = orbit(FRONT)
    frames = skinning_transforms(forward_kinematics(rotations, r.body.rest_joints), r.body.rest_joints)[
        0, :, :3
    ].double()
    bones = camera.rotation[0].double() @ frames
    bones[..., 3] += camera.translation[0]
    image, alpha = np.zeros((3, 256, 256), np.float32), np.zeros((256, 256), np.float32)
    light = np.array([-0.45, -0.6, -0.65, 0.5, 1.25, 1.22, 1.18])
    light[:3] /= np.linalg.norm(light[:3])
    draw(scene("s2"), np.ascontiguousarray(bones), camera.intrinsics[0].double().numpy(), light, 2, image, alpha)
    assert alpha.sum() > 2000
    # float32 rotations differ in their last bit, so a sample on an edge may change its owner
    assert (np.abs(moved.alpha[0, 0].numpy() - alpha) > 1e-6).mean() < 1e-3
    assert (np.abs(moved.image[0].numpy() - image) > 1e-3).mean() < 2e-3


def test_supersampling_is_the_mean_of_a_larger_picture(poses):
    once, twice = renderer("s3", supersampling=1), renderer("s3", supersampling=2)
    view = uniform_sphere(2, rng(3))
    fine = once.render(poses[:2], orbit(view, size=128))
    coarse = twice.render(poses[:2], orbit(view, size=64))
    for a, b in ((fine.image, coarse.image), (fine.alpha, coarse.alpha)):
        torch.testing.assert_close(torch.nn.functional.avg_pool2d(a, 2), b, rtol=0, atol=1e-6)


def test_colour_is_premultiplied():
    out = renderer("s2").render(REST, orbit(FRONT))
    assert (out.image <= out.alpha + 1e-6).all()
    assert out.image.min() >= 0
    edge = (out.alpha > 0) & (out.alpha < 1)
    assert edge.sum() > 100
    assert set(out.alpha.unique().tolist()) <= {0, 0.25, 0.5, 0.75, 1}
    white = out.over(1.0)
    assert torch.equal(white[:, :, 0, 0], torch.ones(1, 3))


def test_batch_is_the_same_as_one_by_one(poses):
    r = renderer("s1")
    views = uniform_sphere(9, rng(5))
    camera = orbit(views, size=96)
    together = r.render(poses[:9], camera)
    for i in range(9):
        alone = r.render(poses[i : i + 1], camera[i : i + 1])
        assert torch.equal(alone.image[0], together.image[i])
        assert torch.equal(alone.alpha[0], together.alpha[i])


def test_the_number_of_threads_changes_no_bit(poses):
    camera = orbit(uniform_sphere(12, rng(6)), size=96)
    u = torch.rand(12, 7, generator=rng())
    light = Light(2 * u[:, :3] - 1, u[:, 3], 0.5 + u[:, 4:])
    pictures = [renderer("s5", threads=t).render(poses[:12], camera, light) for t in (1, 2, 5)]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    pictures.append(renderer("s5").render(poses[:12], camera, light))
    torch.set_num_threads(before)
    assert all(torch.equal(pictures[0].image, p.image) and torch.equal(pictures[0].alpha, p.alpha) for p in pictures)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 7), (200, 40), (33, 90)])
def test_any_size_and_two_focal_lengths(width, height):
    r, size = renderer(), 256
    whole = orbit(FRONT, size=size)
    intrinsics = torch.diag(torch.tensor([width / size, height / size, 1.0])) @ whole.intrinsics
    out = r.render(REST, Camera(whole.rotation, whole.translation, intrinsics, width, height))
    assert out.image.shape == (1, 3, height, width)
    # the same field of view: as much of the picture is person, up to the samples
    share, expected = float(out.alpha.mean()), float(r.render(REST, whole).alpha.mean())
    assert abs(share - expected) < (0.005 if width * height > 1000 else 0.25)


def test_principal_point_moves_the_picture():
    r, camera = renderer(), orbit(FRONT)
    intrinsics = camera.intrinsics.clone()
    intrinsics[:, 0, 2] += 20
    intrinsics[:, 1, 2] -= 10
    moved = r.render(REST, Camera(camera.rotation, camera.translation, intrinsics, 256, 256))
    still = r.render(REST, camera)
    torch.testing.assert_close(moved.alpha[..., :-10, 20:], still.alpha[..., 10:, :-20], rtol=0, atol=0)


@pytest.mark.parametrize("where", [(0.0, 0.0, 0.0), (0.0, 0.3, 0.05), (0.0, -0.2, 0.5), (0.3, 0.45, 0.0)])
def test_a_camera_within_or_close_to_the_body_draws_something_sane(where):
    camera = orbit(uniform_sphere(6, rng(2)), size=64)
    centre = torch.tensor(where).expand(6, 3)
    inside = Camera(camera.rotation, -(camera.rotation @ centre[..., None])[..., 0], camera.intrinsics, 64, 64)
    out = renderer("s5").render(REST.expand(6, 23, 3), inside)
    assert torch.isfinite(out.image).all()
    assert out.image.min() >= 0
    assert out.image.max() <= 1
    if where == (0.0, 0.3, 0.05):
        assert out.alpha.mean() > 0.5, "from within the chest its inner side is seen"


def test_a_body_behind_the_camera_is_not_seen():
    camera = orbit(FRONT)
    behind = Camera(camera.rotation, camera.translation * torch.tensor([1.0, 1, -1]), camera.intrinsics, 256, 256)
    assert renderer().render(REST, behind).alpha.max() == 0


def test_light_shines_from_where_it_stands():
    r, camera = renderer("s2"), orbit(FRONT.expand(2, 3))
    side = torch.tensor([[1.0, 0, -0.2], [-1.0, 0, -0.2]])
    light = Light(side, torch.full((2,), 0.2), torch.ones(2, 3))
    out = r.render(REST.expand(2, 23, 3), camera, light)
    right, left = out.image[:, :, :, 128:].sum((1, 2, 3)), out.image[:, :, :, :128].sum((1, 2, 3))
    assert right[0] > 1.2 * left[0]
    assert left[1] > 1.2 * right[1]
    assert torch.equal(out.alpha[0], out.alpha[1])


def test_light_colours_the_person():
    r, camera = renderer("s2"), orbit(FRONT)
    red = Light(torch.tensor([[0.0, 0, -1]]), torch.tensor([0.0]), torch.tensor([[1.0, 0, 0]]))
    out = r.render(REST, camera, red).image[0]
    assert out[0].max() > 0.5
    assert out[1:].max() == 0


def test_a_head_turned_away_shows_no_face():
    """The back of s2's head is black hair, the front is skin: handedness and winding are right."""
    r = renderer("s2")
    seen = []
    for azimuth in (0.0, math.pi):
        camera = orbit(from_spherical(torch.tensor([azimuth]), torch.zeros(1)))
        head = pixel_of(r, "head", REST, camera) - torch.tensor([0.0, 4.0])
        seen.append(float(at(r.render(REST, camera).image[0], head).mean()))
    assert seen[0] > 0.4 > 0.2 > seen[1]
