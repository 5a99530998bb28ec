"""Textures and light against what can be worked out by hand."""

import numpy as np
import pytest
import torch
from posegen_mesh.light import Light
from posegen_mesh.renderer import MeshRenderer
from posegen_mesh.scene import scene
from posegen_mesh.shade import SKY, WRAP, shade
from posegen_mesh.skin import skin
from posegen_mesh.texture import pack
from posegen_mesh.visibility import rasterise

from posegen.geometry import orbit

SIZE = 48
UV = np.array([[[0, 1], [1, 1], [1, 0]], [[0, 1], [1, 0], [0, 0]]], np.float32)  # of a square's two faces, v up
FACES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
WHITE_AMBIENT = (1.0, 1.0, 1.0, 1.0)


def picture(corners, texture, lit=None, light=WHITE_AMBIENT, samples=1):
    """A square of four camera points, seen with f = SIZE -> image (3,SIZE,SIZE), alpha, mip level of its faces."""
    big = SIZE * samples
    intrinsics = np.array([[big, 0, big / 2], [0, big, big / 2], [0, 0, 1.0]])
    points = np.ascontiguousarray(np.asarray(corners) @ intrinsics.T)
    screen = np.ascontiguousarray(points[:, :2] / points[:, 2:])
    textures, part = pack([texture]), np.zeros(2, np.uint8)
    area = np.full(2, float(texture.shape[0] * texture.shape[1]))
    depth, owner = np.zeros((big, big), np.float32), np.full((big, big), -1, np.int32)
    level, image, alpha = (
        np.zeros(2, np.uint8),
        np.zeros((3, SIZE, SIZE), np.float32),
        np.zeros((SIZE, SIZE), np.float32),
    )
    rasterise(
        points, screen, FACES, UV, area, part, np.array([False]), textures.texels, textures.layout, 0, 0, depth, owner,
        level,
    )  # fmt: skip
    lit = np.zeros((4, 2)) if lit is None else np.asarray(lit, np.float64)
    shade(
        points, lit, FACES, UV, part, textures.texels, textures.layout, level, owner, 0, 0, samples, np.array(light),
        image, alpha,
    )  # fmt: skip
    return image, alpha, level


def ramp(n=64):
    """Red is u and green is v, at the centres of n x n texels."""
    texture = np.full((n, n, 4), 255, np.uint8)
    centre = (np.arange(n) + 0.5) / n * 255
    texture[..., 0], texture[..., 1] = centre[None], centre[::-1, None]
    return texture


def test_a_texture_is_seen_in_perspective():
    corners = np.array([[-1.2, -1.0, 1.6], [1.0, -1.3, 4.0], [1.1, 1.2, 4.0], [-1.1, 1.5, 1.6]])
    corners[2] = corners[1] + corners[3] - corners[0]  # a parallelogram: uv is affine on its plane
    image, alpha, _ = picture(corners, ramp())
    y, x = (np.mgrid[:SIZE, :SIZE] + 0.5 - SIZE / 2) / SIZE
    rays = np.stack([x, y, np.ones_like(x)], -1)
    right, down = corners[1] - corners[0], corners[3] - corners[0]
    basis = np.stack([right, down, corners[0]], 1)  # u right + v down + corner = k ray: solve for u/k, v/k, 1/k
    s, t, near = np.moveaxis(rays @ np.linalg.inv(basis).T, -1, 0)
    u, v = s / near, t / near
    inside = (u > 0.02) & (u < 0.98) & (v > 0.02) & (v < 0.98)
    assert inside.sum() > 400
    assert (alpha[inside] == 1).all()
    np.testing.assert_allclose(image[0][inside], u[inside], atol=3 / 255)
    np.testing.assert_allclose(image[1][inside], 1 - v[inside], atol=3 / 255)


def test_texels_larger_than_pixels_blend_between_their_centres():
    texture = np.full((2, 2, 4), 255, np.uint8)
    texture[:, 0, 0], texture[:, 1, 0] = 0, 255
    image, _, level = picture([[-0.5, -0.5, 1], [0.5, -0.5, 1], [0.5, 0.5, 1], [-0.5, 0.5, 1]], texture)
    u = (np.arange(SIZE) + 0.5) / SIZE
    np.testing.assert_allclose(image[0, 7], np.clip(2 * u - 0.5, 0, 1), atol=1e-6)
    assert level.tolist() == [0, 0]


@pytest.mark.parametrize(("texels", "level"), [(32, 0), (48, 0), (96, 1), (192, 2), (768, 4)])
def test_texels_smaller_than_samples_are_taken_from_a_smaller_copy(texels, level):
    board = np.full((texels, texels, 4), 255, np.uint8)
    board[..., :3] = 255 * (np.indices((texels, texels)).sum(0) % 2)[..., None]
    square = [[-0.5, -0.5, 1], [0.5, -0.5, 1], [0.5, 0.5, 1], [-0.5, 0.5, 1]]
    image, _, got = picture(square, board)
    assert got.tolist() == [level, level]
    if level:
        np.testing.assert_allclose(image, 0.5, atol=0.01)  # grey, and no moire


def test_samples_are_averaged_and_edges_are_shared_out():
    square = [[-0.25 + 0.25 / SIZE, -0.25, 1], [0.25, -0.25, 1], [0.25, 0.25, 1], [-0.25 + 0.25 / SIZE, 0.25, 1]]
    white = np.full((4, 4, 4), 255, np.uint8)
    image, alpha, _ = picture(square, white, samples=4)
    quarter = SIZE // 4
    row = alpha[SIZE // 2]
    assert row[quarter - 1 : quarter + 2].tolist() == [0, 0.75, 1]
    assert row[3 * quarter - 1 : 3 * quarter + 1].tolist() == [1, 0]
    np.testing.assert_allclose(image, np.broadcast_to(alpha, image.shape), atol=1e-6)


def test_brightness_of_key_light_and_sky():
    grey = np.full((4, 4, 4), 255, np.uint8)
    grey[..., :3] = 100
    away = np.array([[-0.5, -0.5, 1], [0.5, -0.5, 1], [0.5, 0.5, 1], [-0.5, 0.5, 1]])
    front = away[[1, 0, 3, 2]]  # the other winding: its normal points to the camera
    for lit, light, expected in (
        ((1, 0), (0.0, 1.0, 1.0, 1.0), 1.0),
        ((0, 0), (0.0, 1.0, 1.0, 1.0), WRAP / (1 + WRAP)),
        ((-1, 0), (0.0, 1.0, 1.0, 1.0), 0.0),
        ((0, 1), (1.0, 1.0, 1.0, 1.0), 1 + SKY),
        ((0, -1), (1.0, 1.0, 1.0, 1.0), 1 - SKY),
        ((1, 0), (0.25, 2.0, 1.0, 0.5), np.array([1.75, 1.0, 0.625])),
    ):
        drawn = picture(front, grey, lit=[lit] * 4, light=light)[0]
        np.testing.assert_allclose(drawn[:, 9, 9], 100 / 255 * np.broadcast_to(expected, 3), rtol=1e-5)
        back = picture(away, grey, lit=[(-lit[0], -lit[1])] * 4, light=light)[0]
        np.testing.assert_allclose(back, drawn, rtol=1e-6, err_msg="a face seen from its back has the other normal")


def test_brightness_never_exceeds_white():
    white = np.full((4, 4, 4), 255, np.uint8)
    square = [[0.5, -0.5, 1], [-0.5, -0.5, 1], [-0.5, 0.5, 1], [0.5, 0.5, 1]]
    image, _, _ = picture(square, white, lit=[(1, 1)] * 4, light=(0.5, 9.0, 9.0, 9.0))
    assert image.max() == 1


def skinned(camera):
    """s1 in rest pose, light from the camera -> pixel box, cosines to light and up."""
    person, renderer = scene("s1"), MeshRenderer(MeshRenderer.Options(subject="s1"))
    lit, homogeneous, screen = (np.zeros((len(person.rest), k)) for k in (2, 3, 2))
    box = skin(
        person.rest, person.normals, person.subject.weights_index, person.subject.weights,
        renderer._bones(torch.zeros(1, 23, 3), camera)[0], camera.intrinsics[0].double().numpy(),
        np.array([0.0, 0, -1]), homogeneous, screen, lit,
    )  # fmt: skip
    return box, lit


def test_normals_meet_light_and_sky_in_camera_axes():
    """In rest pose at K = 0 the camera's up is the body's up, and what faces the camera faces +Z."""
    person, (_, lit) = scene("s1"), skinned(orbit(torch.zeros(1, 3)))
    np.testing.assert_allclose(lit[:, 0], person.normals[:, 2], atol=1e-5)
    np.testing.assert_allclose(lit[:, 1], person.normals[:, 1], atol=1e-5)
    assert lit[person.rest[:, 2].argmax(), 0] > 0.3, "the foremost vertex faces us"
    assert lit[person.rest[:, 1].argmax(), 1] > 0.3, "the topmost faces up"


def test_the_box_is_the_whole_picture_when_some_of_the_body_is_behind_the_camera():
    assert max(map(abs, skinned(orbit(torch.zeros(1, 3)))[0])) < 256
    assert skinned(orbit(torch.zeros(1, 3), distance=0.1))[0] == (-1e30, -1e30, 1e30, 1e30)


def test_pixels_of_a_person_lie_where_the_camera_projects_them():
    """Alpha of a whole render against every face and pixel centre, with the projection of posegen.types.Camera."""
    size, renderer, person = 32, MeshRenderer(MeshRenderer.Options(subject="s0", supersampling=1)), scene("s0")
    camera = orbit(torch.zeros(1, 3), size=size)
    alpha = renderer.render(torch.zeros(1, 23, 3), camera, Light(*(torch.ones(s) for s in ((1, 3), 1, (1, 3))))).alpha[
        0, 0
    ]
    corner = camera.project(torch.from_numpy(person.rest).float()[None])[0].double().numpy()[person.subject.faces]
    y, x = np.mgrid[:size, :size] + 0.5
    covered = np.zeros((size, size), bool)
    for a, b, c in corner[person.subject.part != person.subject.parts.index("hair")]:
        one, two, three = ((q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((a, b), (b, c), (c, a)))
        covered |= ((one >= 0) & (two >= 0) & (three >= 0)) | ((one <= 0) & (two <= 0) & (three <= 0))
    below_the_head = int(camera.project(renderer.body.rest_joints[None])[0, 12, 1])  # hair has holes, so no hair here
    assert covered[below_the_head:].sum() > 50
    np.testing.assert_array_equal(alpha.numpy()[below_the_head:] > 0, covered[below_the_head:])
