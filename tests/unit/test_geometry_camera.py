import torch

from posegen.geometry import CHEST_HEIGHT, frame, orbit, relative, rotvec_to_rotmat, uniform_sphere


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_moving_the_camera_by_k_is_turning_the_root_by_its_inverse():
    points, view = torch.randn(64, 30, 3, generator=rng()).double() * 0.4, torch.randn(64, 3, generator=rng(1)).double()
    moved = orbit(view).project(points)
    turned = orbit(torch.zeros(64, 3).double()).project(points @ rotvec_to_rotmat(view))  # rows: Exp(K)^T x
    torch.testing.assert_close(moved, turned, rtol=0, atol=1e-9)


def test_relative_view_gives_the_same_picture_of_a_turned_root():
    points = torch.randn(64, 30, 3, generator=rng()).double() * 0.4
    view, root = (torch.randn(64, 3, generator=rng(s)).double() for s in (1, 2))
    world = orbit(view).project(points @ rotvec_to_rotmat(root).transpose(1, 2))
    torch.testing.assert_close(orbit(relative(view, root)).project(points), world, rtol=0, atol=1e-8)


def test_front_camera_stands_at_chest_height_and_sees_left_on_the_right():
    camera = orbit(torch.zeros(1, 3), distance=3.0, size=200, focal=400.0)
    centre = -camera.rotation.transpose(1, 2) @ camera.translation[..., None]
    torch.testing.assert_close(centre[0, :, 0], torch.tensor([0.0, CHEST_HEIGHT, 3.0]), rtol=0, atol=1e-6)
    chest, left, head = camera.project(torch.tensor([[[0, CHEST_HEIGHT, 0], [0.3, CHEST_HEIGHT, 0], [0, 0.7, 0]]]))[0]
    torch.testing.assert_close(chest, torch.tensor([100.0, 100.0]))
    torch.testing.assert_close(left, torch.tensor([140.0, 100.0]))  # 0.3 * 400 / 3; the person's left, our right
    assert head[1] < 100


def test_default_focal_shows_a_standing_person_with_raised_arms():
    ends = torch.tensor([[[0.0, 1.3, 0.0], [0.0, -1.0, 0.0], [0.9, 0.45, 0.0], [-0.9, 0.45, 0.0]]])
    pixels = orbit(torch.zeros(1, 3)).project(ends)
    assert pixels.min() > 0
    assert pixels.max() < 256


def test_distance_can_differ_in_the_batch():
    cameras = orbit(torch.zeros(2, 3), distance=torch.tensor([2.0, 5.0]))
    assert cameras.translation[:, 2].tolist() == [2.0, 5.0]
    assert len(cameras) == 2


def test_the_pelvis_stays_at_the_same_pixel_from_every_view():
    pixels = orbit(uniform_sphere(100, rng())).project(torch.zeros(100, 1, 3))
    assert (pixels - pixels[0]).abs().max() < 1e-3


def test_gradient_reaches_the_view_through_the_projection():
    view = torch.tensor([[0.0, 0.0, 0.0], [0.4, -0.2, 1.0]], dtype=torch.float64, requires_grad=True)
    points = torch.randn(2, 5, 3, generator=rng()).double() * 0.3
    assert torch.autograd.gradcheck(lambda k: orbit(k).project(points), (view,), atol=1e-5)


def test_frame_is_a_crop_of_the_same_picture():
    view = uniform_sphere(16, rng())
    points = torch.randn(16, 20, 3, generator=rng(1)) * 0.3
    wide, tight = orbit(view), frame(orbit(view), points, margin=1.25)
    a, b = wide.project(points), tight.project(points)
    extent = (b.amax(1) - b.amin(1)).amax(1)
    torch.testing.assert_close(extent, torch.full((16,), 256 / 1.25), rtol=1e-4, atol=0)
    torch.testing.assert_close((b.amax(1) + b.amin(1)) / 2, torch.full((16, 2), 128.0), rtol=0, atol=0.05)
    zoom = tight.intrinsics[:, 0, 0] / wide.intrinsics[:, 0, 0]
    torch.testing.assert_close(b[:, 1:] - b[:, :1], (a[:, 1:] - a[:, :1]) * zoom[:, None, None], rtol=0, atol=0.05)
