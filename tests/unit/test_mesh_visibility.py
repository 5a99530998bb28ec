"""The z-buffer against what can be worked out without it."""

import numpy as np
import pytest
import torch
from posegen_mesh.renderer import MeshRenderer
from posegen_mesh.scene import scene
from posegen_mesh.skin import NEAR, skin
from posegen_mesh.texture import LEVELS, address, pack
from posegen_mesh.visibility import rasterise

from posegen.body import skin as reference_skin
from posegen.geometry import orbit, uniform_sphere

OPAQUE = pack([np.full((4, 4, 4), 255, np.uint8)])


def see(points, faces, size, masked=False, textures=OPAQUE, uv=None, offset=(0, 0)):
    """Homogeneous points (V,3) and faces (F,3) -> depth (1/z) and owner of size x size samples."""
    points, faces = np.ascontiguousarray(points, np.float64), np.ascontiguousarray(faces, np.int32)
    with np.errstate(all="ignore"):
        screen = np.ascontiguousarray(points[:, :2] / points[:, 2:])
    depth, owner = np.zeros((size, size), np.float32), np.full((size, size), -1, np.int32)
    uv = np.zeros((len(faces), 3, 2), np.float32) if uv is None else uv
    level, part = np.zeros(len(faces), np.uint8), np.zeros(len(faces), np.uint8)
    area = np.ones(len(faces))
    rasterise(
        points, screen, faces, uv, area, part, np.array([masked]), textures.texels, textures.layout, *offset, depth,
        owner, level,
    )  # fmt: skip
    return depth, owner


def brute_force(points, faces, size):
    """Every face against every sample, in screen space: depth (1/z) and owner."""
    corner = points[faces]
    xy = corner[..., :2] / corner[..., 2:]
    y, x = np.mgrid[:size, :size] + 0.5
    depth, owner = np.zeros((size, size)), np.full((size, size), -1)
    for f, (a, b, c) in enumerate(xy):
        area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
        if area == 0:
            continue
        w1 = ((x - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (y - a[1])) / area
        w2 = ((b[0] - a[0]) * (y - a[1]) - (x - a[0]) * (b[1] - a[1])) / area
        near = (1 - w1 - w2) / corner[f, 0, 2] + w1 / corner[f, 1, 2] + w2 / corner[f, 2, 2]
        seen = (w1 >= 0) & (w2 >= 0) & (w1 + w2 <= 1) & (near > depth)
        depth[seen], owner[seen] = near[seen], f
    return depth, owner


def test_one_triangle_has_the_depth_of_its_plane():
    corner = np.array([[2.0, 3.0, 1.0], [28.0, 5.0, 2.0], [9.0, 27.0, 4.0]])  # pixels and depth
    points = corner * [1, 1, 1]
    points[:, :2] *= corner[:, 2:]
    depth, owner = see(points, [[0, 1, 2]], 32)
    expected, who = brute_force(points, np.array([[0, 1, 2]]), 32)
    assert 200 < (owner == 0).sum() == (who == 0).sum()
    np.testing.assert_allclose(depth, expected, rtol=1e-6)


def test_shared_edges_leave_no_hole_and_no_overhang():
    rng = np.random.default_rng(0)
    for _ in range(50):
        n = 12
        y, x = np.mgrid[:n, :n] * (40.0 / (n - 1)) - 4
        inner = (slice(1, -1), slice(1, -1))
        x[inner] += rng.normal(size=(n - 2, n - 2))
        y[inner] += rng.normal(size=(n - 2, n - 2))
        z = rng.uniform(1, 3, (n, n))
        points = np.stack([x * z, y * z, z], -1).reshape(-1, 3)
        i = np.arange(n * n).reshape(n, n)
        faces = np.concatenate([np.stack(c, -1).reshape(-1, 3) for c in (
            (i[:-1, :-1], i[1:, :-1], i[:-1, 1:]), (i[1:, 1:], i[:-1, 1:], i[1:, :-1]))])  # fmt: skip
        _, owner = see(points, faces, 32)
        assert (owner >= 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_person_is_seen_as_by_brute_force(seed):
    size, rng = 40, torch.Generator().manual_seed(seed)
    person = scene("s4")
    renderer = MeshRenderer(MeshRenderer.Options(subject="s4"))
    pose = 0.3 * torch.randn(1, 23, 3, generator=rng)
    camera = orbit(uniform_sphere(1, rng), size=size, distance=2.5)
    weights = np.zeros((len(person.rest), 24))
    np.put_along_axis(weights, person.subject.weights_index.astype(int), person.subject.weights.astype(float), 1)
    transforms = renderer.body.to(dtype=torch.float64).transforms(pose.double())
    world = reference_skin(torch.from_numpy(person.rest), torch.from_numpy(weights), transforms)
    camera64 = type(camera)(
        camera.rotation.double(), camera.translation.double(), camera.intrinsics.double(), size, size
    )
    points = (camera64.to_camera(world)[0] @ camera64.intrinsics[0].T).numpy()

    homogeneous, screen, lit = np.empty_like(points), np.zeros((len(points), 2)), np.zeros((len(points), 2))
    subject = person.subject
    box = skin(
        person.rest, person.normals, subject.weights_index, subject.weights, renderer._bones(pose, camera)[0],
        camera64.intrinsics[0].numpy(), np.array([0.0, 0, -1]), homogeneous, screen, lit,
    )  # fmt: skip
    np.testing.assert_allclose(homogeneous, points, atol=1e-4)
    np.testing.assert_allclose(box, [*screen.min(0), *screen.max(0)])
    assert np.abs(lit).max() <= 1 + 1e-9

    depth, owner = see(homogeneous, subject.faces, size)
    expected, who = brute_force(homogeneous, subject.faces, size)
    assert ((owner >= 0) == (who >= 0)).all()
    assert (who >= 0).sum() > 100
    np.testing.assert_allclose(depth, expected, rtol=1e-6)


def test_a_part_of_the_picture_is_cut_from_the_whole():
    rng = np.random.default_rng(1)
    z = rng.uniform(1, 2, 60)
    points = np.stack([rng.uniform(0, 64, 60) * z, rng.uniform(0, 64, 60) * z, z], -1)
    faces = rng.integers(0, 60, (80, 3))
    depth, owner = see(points, faces, 64)
    part_depth, part_owner = see(points, faces, 20, offset=(30, 11))
    np.testing.assert_array_equal(part_owner, owner[11:31, 30:50])
    np.testing.assert_array_equal(part_depth, depth[11:31, 30:50])


def test_a_face_that_reaches_behind_the_camera_is_cut_at_the_near_plane():
    """A floor below the camera, from 5 m behind it to 1000 m before it."""
    f, c, size, height = 32.0, 32.0, 64, 1.0
    floor = np.array([[-900.0, height, -5], [900, height, -5], [900, height, 1000], [-900, height, 1000]])
    points = np.stack([f * floor[:, 0] + c * floor[:, 2], f * floor[:, 1] + c * floor[:, 2], floor[:, 2]], -1)
    depth, owner = see(points, [[0, 1, 2], [0, 2, 3]], size)
    y = np.arange(size) + 0.5
    below = y > c + f * height / 1000
    np.testing.assert_array_equal((owner >= 0).all(1), below)
    assert not (owner[~below] >= 0).any()
    np.testing.assert_allclose(depth[below, 5], (y[below] - c) / (f * height), rtol=1e-6)


def test_the_near_plane_cuts_within_a_face():
    """A low floor under a camera that is rolled by 45 degrees: the cut runs across the picture."""
    f, c, size, height = 32.0, 32.0, 64, 0.02
    floor = np.array([[-900.0, height, -5], [900, height, -5], [900, height, 1000], [-900, height, 1000]])
    x, y = (floor[:, 0] - floor[:, 1]) * 0.5**0.5, (floor[:, 0] + floor[:, 1]) * 0.5**0.5
    points = np.stack([f * x + c * floor[:, 2], f * y + c * floor[:, 2], floor[:, 2]], -1)
    _, owner = see(points, [[0, 1, 2], [0, 2, 3]], size)
    row, column = np.mgrid[:size, :size] + 0.5
    down = ((row - c) - (column - c)) * 0.5**0.5  # pixels below the horizon
    depth = f * height / np.maximum(down, 1e-9)
    np.testing.assert_array_equal(owner >= 0, (down > 1e-3) & (depth > NEAR) & (depth < 900))
    assert (depth < NEAR).any()


def test_what_is_nearer_than_the_near_plane_is_not_drawn():
    square = np.array([[-9.0, -9, 1], [9, -9, 1], [9, 9, 1], [-9, 9, 1]])
    faces = [[0, 1, 2], [0, 2, 3]]
    for z, drawn in ((1.01 * NEAR, True), (0.99 * NEAR, False), (-1.0, False), (0.0, False)):
        points = square * [1, 1, z]
        points[:, :2] *= 1 if z == 0 else abs(z)
        assert (see(points, faces, 8)[1] >= 0).all() == drawn, z


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200, -1e300])
def test_numbers_that_overflowed_draw_nothing_and_do_not_crash(bad):
    rng = np.random.default_rng(0)
    for _ in range(100):
        points = rng.normal(size=(6, 3)) + np.array([8, 8, 2])
        points.flat[rng.integers(0, 18, 3)] = bad
        depth, owner = see(points, rng.integers(0, 6, (10, 3)), 16)
        assert (np.isfinite(depth)).all()
        assert owner.max() < 10


def test_holes_of_a_texture_are_holes():
    texture = np.full((64, 64, 4), 255, np.uint8)
    texture[:, :32, 3] = 0  # the left half
    square = np.array([[0.0, 0, 1], [32, 0, 1], [32, 32, 1], [0, 32, 1]])
    uv = np.array([[[0, 1], [1, 1], [1, 0]], [[0, 1], [1, 0], [0, 0]]], np.float32)
    _, owner = see(square, [[0, 1, 2], [0, 2, 3]], 32, masked=True, textures=pack([texture]), uv=uv)
    assert (owner[:, :15] < 0).all()
    assert (owner[:, 17:] >= 0).all()


def test_smaller_copies_of_a_texture_do_not_mix_in_what_is_transparent():
    texture = np.zeros((8, 8, 4), np.uint8)
    texture[::2] = (200, 100, 50, 255)
    texture[1::2] = (0, 255, 0, 0)
    packed = pack([texture])
    assert packed.layout.shape == (1, LEVELS, 3)
    start, height, width = packed.layout[0, 1]
    assert (height, width) == (4, 4)
    np.testing.assert_array_equal(packed.texels[start : start + 16], np.tile([200, 100, 50, 128], (16, 1)))
    assert packed.layout[0, 3].tolist()[1:] == [1, 1]
    assert packed.layout[0, 4].tolist()[1:] == [1, 1], "1x1 is not halved"


def test_a_texel_is_addressed_at_its_centre():
    assert address(2.5 / 8, 1 - 3.5 / 4, 4, 8) == (3, 2, 0.0, 0.0)
    row, column, right, down = address(0.5, 0.5, 4, 8)
    assert (row, column, right, down) == (1, 3, 0.5, 0.5)
    assert address(-3.0, 7.0, 4, 8)[:2] == (0, 0)
    assert address(9.0, -9.0, 4, 8)[:2] == (3, 7)
    assert address(np.nan, np.nan, 4, 8)[:2] == (0, 0)
