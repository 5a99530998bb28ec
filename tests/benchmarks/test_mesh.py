"""Time per 256x256 image of the mesh renderer on one core: ``pytest tests/benchmarks/test_mesh.py --benchmark-only``.

The aim is 15 ms. ``plain`` is the same picture (same skinning, same light, 2x2 samples) by the straightforward
rasteriser: shade every sample that passes the depth test so far, divide per sample, clear and average the whole image.
"""

from __future__ import annotations

import numba
import numpy as np
import pytest
import torch
from posegen_mesh.renderer import MeshRenderer
from posegen_mesh.scene import scene
from posegen_starter.motion import StarterMotion

from posegen.body import skin
from posegen.geometry import frame, orbit, uniform_sphere

N = 16
SIZE = 256
TIMES: dict[str, float] = {}


@numba.njit(cache=True)
def plain(pixels, depths, faces, uv, part, normals, textures, light, ambient, image, buffer, mask):
    height, width = buffer.shape
    rows, columns = textures.shape[1], textures.shape[2]
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0, x1, y1, x2, y2 = pixels[a, 0], pixels[a, 1], pixels[b, 0], pixels[b, 1], pixels[c, 0], pixels[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        x_low, x_high = max(0, int(np.floor(min(x0, x1, x2)))), min(width - 1, int(np.ceil(max(x0, x1, x2))))
        y_low, y_high = max(0, int(np.floor(min(y0, y1, y2)))), min(height - 1, int(np.ceil(max(y0, y1, y2))))
        i0, i1, i2, p = 1 / depths[a], 1 / depths[b], 1 / depths[c], part[f]
        for y in range(y_low, y_high + 1):
            for x in range(x_low, x_high + 1):
                px, py = x + 0.5, y + 0.5
                w0 = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) / area
                w1 = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) / area
                w2 = 1 - w0 - w1
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                near = w0 * i0 + w1 * i1 + w2 * i2
                if near <= buffer[y, x]:
                    continue
                b0, b1, b2 = w0 * i0 / near, w1 * i1 / near, w2 * i2 / near
                u = min(
                    max((b0 * uv[f, 0, 0] + b1 * uv[f, 1, 0] + b2 * uv[f, 2, 0]) * columns - 0.5, 0.0), columns - 1.0
                )
                v = min(max((1 - b0 * uv[f, 0, 1] - b1 * uv[f, 1, 1] - b2 * uv[f, 2, 1]) * rows - 0.5, 0.0), rows - 1.0)
                i, j = min(int(v), rows - 2), min(int(u), columns - 2)
                ax, ay = u - j, v - i
                c00, c01, c10, c11 = (1 - ax) * (1 - ay), ax * (1 - ay), (1 - ax) * ay, ax * ay
                t = textures[p]
                alpha = t[i, j, 3] * c00 + t[i, j + 1, 3] * c01 + t[i + 1, j, 3] * c10 + t[i + 1, j + 1, 3] * c11
                if alpha < 0.35:
                    continue
                nx = b0 * normals[a, 0] + b1 * normals[b, 0] + b2 * normals[c, 0]
                ny = b0 * normals[a, 1] + b1 * normals[b, 1] + b2 * normals[c, 1]
                nz = b0 * normals[a, 2] + b1 * normals[b, 2] + b2 * normals[c, 2]
                cosine = (nx * light[0] + ny * light[1] + nz * light[2]) / (np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9)
                bright = ambient + (1 - ambient) * max(0.0, 0.5 + 0.5 * cosine)
                buffer[y, x] = near
                mask[y, x] = 1.0
                for k in range(3):
                    texel = t[i, j, k] * c00 + t[i, j + 1, k] * c01 + t[i + 1, j, k] * c10 + t[i + 1, j + 1, k] * c11
                    image[y, x, k] = min(1.0, texel * bright)


def plain_render(person, textures, weights, transforms, camera):
    vertices = skin(torch.from_numpy(person.rest).float(), weights, transforms)
    alphas = []
    for i in range(len(vertices)):
        at = camera[i : i + 1].to_camera(vertices[i : i + 1])[0].double().numpy()
        corner = at[person.subject.faces]
        face_normals, normals = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), np.zeros_like(at)
        for k in range(3):
            for axis in range(3):
                normals[:, axis] += np.bincount(person.subject.faces[:, k], face_normals[:, axis], len(at))
        intrinsics = camera.intrinsics[i].double().numpy().copy()
        intrinsics[:2] *= 2
        pixels = at @ intrinsics.T
        big = 2 * SIZE
        image, buffer, mask = np.zeros((big, big, 3)), np.zeros((big, big)), np.zeros((big, big))
        plain(
            np.ascontiguousarray(pixels[:, :2] / pixels[:, 2:]), at[:, 2].copy(), person.subject.faces, person.uv,
            person.subject.part, normals, textures, np.array([-0.45, -0.6, -0.65]), 0.5, image, buffer, mask,
        )  # fmt: skip
        image.reshape(SIZE, 2, SIZE, 2, 3).mean((1, 3))
        alphas.append(mask.reshape(SIZE, 2, SIZE, 2).mean((1, 3)))
    return np.stack(alphas)


@pytest.fixture(scope="module", params=["orbit", "framed"])
def job(request):
    """A person as the default camera shows it, or filling the image; one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rng = torch.Generator().manual_seed(0)
    mesh = MeshRenderer(MeshRenderer.Options(subject="s1"))  # the most vertices
    clips = torch.cat([clip.poses for clip in StarterMotion(StarterMotion.Options()).clips("test")])
    pose = clips[torch.randint(len(clips), (N,), generator=rng), 1:]
    camera = orbit(uniform_sphere(N, rng), size=SIZE)
    if request.param == "framed":
        camera = frame(camera, mesh.body.joints(pose))
    yield request.param, mesh, pose, camera
    torch.set_num_threads(threads)


def test_mesh(benchmark, job):
    name, mesh, pose, camera = job
    benchmark.pedantic(mesh.render, (pose, camera), rounds=10, warmup_rounds=2)
    TIMES[name] = benchmark.stats.stats.min / N
    print(f"\n{name}: {1000 * TIMES[name]:.2f} ms per image")


def test_plain(benchmark, job):
    name, mesh, pose, camera = job
    person = scene("s1")
    textures = np.stack([t if t.shape[0] == 512 else np.kron(t, np.ones((512 // t.shape[0],) * 2 + (1,), np.uint8))
                         for t in person.subject.textures]) / 255.0  # fmt: skip
    weights = torch.zeros(len(person.rest), 24)
    index = torch.from_numpy(person.subject.weights_index.astype(np.int64))
    weights.scatter_(1, index, torch.from_numpy(person.subject.weights))
    transforms = mesh.body.transforms(pose)
    arguments = person, textures, weights, transforms, camera
    alpha = benchmark.pedantic(plain_render, arguments, rounds=5, warmup_rounds=1)
    drawn = mesh.render(pose, camera).alpha[:, 0].numpy()
    assert np.abs(alpha - drawn).mean() < 2e-3, "both must draw the same person"
    time = benchmark.stats.stats.min / N
    print(f"\n{name}: plain {1000 * time:.2f} ms per image, {time / TIMES[name]:.1f} times as long")
