"""A-NeRF: the fast march beside the published one, same weights, one thread against one thread.

``pytest tests/benchmarks/test_anerf.py --benchmark-only -s`` prints seconds, ratios, PSNR, samples and memory. The
published march takes minutes for one image, so it is timed on some of its rays and scaled; only where
POSEGEN_BENCHMARK_WHOLE=1 is whole images drawn with it, from which PSNR and gradients are taken. Poses and views are
drawn from seed 2026; POSEGEN_BENCHMARK_SEED=7001 takes those that next to no setting was chosen on (docs/fit.md).
POSEGEN_BENCHMARK_SUBJECT names another subject than the shipped one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from posegen_anerf.bounds import box, cylinder, rims
from posegen_anerf.rays import pixel_centres, sight
from posegen_anerf.reference import draw, look
from posegen_anerf.renderer import AnerfRenderer
from posegen_anerf.skeleton import bones_to_world, in_camera, joints_of
from torch import Tensor
from torch.nn import functional as F

from posegen.geometry import box_from_alpha, orbit, uniform_sphere
from posegen.types import Camera

SUBJECT = os.environ.get("POSEGEN_BENCHMARK_SUBJECT", "s0")
WHOLE = os.environ.get("POSEGEN_BENCHMARK_WHOLE") == "1"
SEED, POSES, SLICE = int(os.environ.get("POSEGEN_BENCHMARK_SEED", "2026")), 3, 1024


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def renderer() -> AnerfRenderer:
    return AnerfRenderer(AnerfRenderer.Options(subject=SUBJECT, threads=1))


def scene(size: int, n: int = POSES) -> tuple[Tensor, Camera]:
    """n poses and views from all around."""
    g = torch.Generator().manual_seed(SEED)
    return 0.25 * torch.randn(n, 23, 3, generator=g), orbit(uniform_sphere(n, g), size=size)


def seconds_of_reference(renderer: AnerfRenderer, pose: Tensor, camera: Camera, backward: bool) -> float:
    """One image with the published march, from the time of some of its rays, drawn at random."""
    pose = pose.clone().requires_grad_(backward)
    skts = in_camera(bones_to_world(pose, renderer.body.rest_joints), camera)
    bounds = cylinder(joints_of(skts.detach()))
    x0, y0, x1, y1 = box(rims(bounds)[0], camera.intrinsics[0], camera.width, camera.height)
    inside = torch.zeros(camera.height, camera.width, dtype=torch.bool)
    inside[y0:y1, x0:x1] = True
    rays = sight(camera, pixel_centres(camera))[0][inside.flatten()]
    directions = rays[torch.randperm(len(rays), generator=torch.Generator().manual_seed(SEED))[:SLICE]]
    start = time.perf_counter()
    with torch.set_grad_enabled(backward):
        seen = look(renderer.subject, skts[0], torch.zeros_like(directions), directions, bounds[0])
    if backward:
        seen.square().sum().backward()
    return (time.perf_counter() - start) * len(rays) / len(directions)


def psnr(a: Tensor, b: Tensor) -> float:
    return float(-10 * (a - b).square().mean().log10())


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward+backward"])
@pytest.mark.parametrize("size", [128, 224, 256])
def test_seconds_for_an_image(benchmark, renderer: AnerfRenderer, size: int, backward: bool) -> None:
    pose, camera = scene(size, 1)

    def fast() -> None:
        theta = pose.clone().requires_grad_(backward)
        render = renderer.render(theta, camera)
        if backward:
            (render.image.square().sum() + render.alpha.square().sum()).backward()

    benchmark.pedantic(fast, rounds=3, warmup_rounds=1)
    reference = min(seconds_of_reference(renderer, pose, camera, backward) for _ in range(3))
    mine = benchmark.stats.stats.min
    alpha = renderer.render(pose, camera).alpha
    figures = {
        "reference_s (of some of its rays, scaled)": round(reference, 1),
        "ratio": round(reference / mine),
        "samples_per_person_pixel": round(renderer.fast.samples / float((alpha > 0.01).sum()), 1),
    }
    benchmark.extra_info.update(figures)
    print(f"\n{size} px {'forward+backward' if backward else 'forward'}: fast {mine:.3f} s, {figures}")


@pytest.mark.skipif(not WHOLE, reason="minutes of the published march: set POSEGEN_BENCHMARK_WHOLE=1")
@pytest.mark.parametrize("size", [128, 224])
def test_pictures_of_the_published_march(benchmark, renderer: AnerfRenderer, size: int) -> None:
    """PSNR over white, of the whole frame and in the person's box."""
    pose, camera = scene(size)
    render = benchmark.pedantic(renderer.render, (pose, camera), rounds=1)
    for i in range(POSES):
        with torch.no_grad():
            skts = bones_to_world(pose[i : i + 1], renderer.body.rest_joints)
            image, alpha = draw(renderer.subject, skts, camera[i : i + 1])
        wanted, drawn = image + 1 - alpha, render.over(1.0)[i : i + 1]
        x0, y0, x1, y1 = box_from_alpha(alpha)[0].round().int().tolist()
        inside = psnr(wanted[..., y0:y1, x0:x1], drawn[..., y0:y1, x0:x1])
        figures = {"whole": round(psnr(wanted, drawn), 1), "box": round(inside, 1)}
        benchmark.extra_info[f"psnr {i}"] = figures
        print(f"\n{size} px, pose {i}: PSNR to the published march {figures}")


@pytest.mark.skipif(not WHOLE, reason="minutes of the published march: set POSEGEN_BENCHMARK_WHOLE=1")
def test_gradients_of_the_pose(benchmark, renderer: AnerfRenderer) -> None:
    """Cosine to a dense march (a step of 0.0005, fp32), of the fast and of the published one."""
    pose, camera = scene(48)
    coarse = torch.randn(POSES, 4, 6, 6, generator=torch.Generator().manual_seed(SEED))
    flow = F.interpolate(coarse, size=48, mode="bicubic")
    dense = {"precision": "fp32", "gradient_step": 0.0005, "gradient_cut": 1, "gradient_stop": 1e-5}
    ways = {"fast": {}, "dense": dense, "reference": {"march": "reference"}}
    found = {}
    for name, options in ways.items():
        other = AnerfRenderer(AnerfRenderer.Options(subject=SUBJECT, threads=1, **options))
        theta = pose.clone().requires_grad_()
        render = other.render(theta, camera)
        (torch.cat([render.image, render.alpha], dim=1) * flow).sum().backward()
        found[name] = theta.grad.flatten(1)
    benchmark.pedantic(int, rounds=1)
    fast, reference = (F.cosine_similarity(found[n], found["dense"]).tolist() for n in ("fast", "reference"))
    benchmark.extra_info.update({"fast": fast, "reference": reference})
    print(f"\ncosine of the pose's gradient to a dense march: fast {fast}, published {reference}")


MEMORY = """
import re, sys, torch
from pathlib import Path
from posegen_anerf.renderer import AnerfRenderer
from posegen.geometry import orbit
torch.set_num_threads(1)
renderer = AnerfRenderer(AnerfRenderer.Options(subject=sys.argv[1], threads=1))
pose = torch.zeros(1, 23, 3, requires_grad=True)
renderer.render(pose, orbit(torch.zeros(1, 3), size=224)).image.sum().backward()
print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
"""
# not ru_maxrss, which a process takes over from the one that started it


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="reads a process's peak memory as Linux tells it")
def test_memory_of_a_whole_image_with_its_gradient(benchmark) -> None:
    """Peak of a process that draws one image of 224 px and its gradient, torch itself included."""

    def process() -> int:
        done = subprocess.run([sys.executable, "-c", MEMORY, SUBJECT], capture_output=True, text=True, check=True)
        return int(done.stdout)

    peak = benchmark.pedantic(process, rounds=1) / 2**20
    benchmark.extra_info["GB"] = round(peak, 2)
    print(f"\npeak memory, 224 px forward+backward: {peak:.2f} GB")
    assert peak < 2
