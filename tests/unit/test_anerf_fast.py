"""march="fast" as a whole: pictures, gradients, culling, threads, chosen rays, pictures that must not surprise."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from anerf_people import SMALL, balls, person
from posegen_anerf.fast import backward, compile, dense, integrate
from posegen_anerf.fast.backward import _counting
from posegen_anerf.fast.calibrate import calibrate
from posegen_anerf.fast.draw import FastMarch, Settings
from posegen_anerf.fast.scene import frames
from posegen_anerf.fast.threads import each
from posegen_anerf.fast.weights import BATCH
from posegen_anerf.reference import draw
from posegen_anerf.renderer import AnerfRenderer
from posegen_anerf.skeleton import bones_to_world
from posegen_anerf.sources import open_subject
from torch.nn import functional as F

from posegen.errors import AssetError
from posegen.geometry import orbit
from posegen.nn import precision
from posegen.types import Camera

CPU = torch.device("cpu")
FINE = SMALL.model_copy(update={"samples": 400, "importance": 4, "single": True})


@pytest.fixture(scope="module")
def subject():
    return person()


@pytest.fixture(scope="module")
def calibrated(subject):
    return replace(subject, margins=calibrate(subject, views=192))


def some_pose(n=1, seed=0):
    return 0.3 * torch.randn(n, 23, 3, generator=torch.Generator().manual_seed(seed))


def some_view(n=1, seed=1):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed))


def cotangent(n, size, seed=2):
    coarse = torch.randn(n, 4, 6, 6, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, size=size, mode="bicubic")


def picture(fast, pose, camera, subject):
    render = fast(bones_to_world(pose, subject.rest_joints), camera)
    return torch.cat([render.image, render.alpha], dim=1)


def gradients(fast, subject, pose, camera, flow):
    """dL/d(pose, camera rotation, translation, intrinsics)."""
    leaves = [t.clone().requires_grad_() for t in (pose, camera.rotation, camera.translation, camera.intrinsics)]
    moved = Camera(*leaves[1:], camera.width, camera.height)
    (picture(fast, leaves[0], moved, subject) * flow).sum().backward()
    return [leaf.grad for leaf in leaves]


def cosine(a, b):
    return F.cosine_similarity(a.flatten(), b.flatten(), 0).item()


# ---------------------------------------------------------------- the same as torch, and as the published march


def test_kernels_and_torch_draw_the_same(subject):
    """One march, two ways to compute it: the torch way is what runs on CUDA."""
    pose, camera, flow = some_pose(2), orbit(some_view(2), size=48), cotangent(2, 48)
    kernels, plain = (FastMarch(subject, Settings(precision="fp32"), CPU, kernels=k) for k in (True, False))
    a, b = picture(kernels, pose, camera, subject), picture(plain, pose, camera, subject)
    assert a[:, 3].amax() > 0.9
    assert (a - b).abs().max() < 5e-4
    for mine, autograd in zip(
        gradients(kernels, subject, pose, camera, flow), gradients(plain, subject, pose, camera, flow), strict=True
    ):
        assert cosine(mine, autograd) > 0.9995
        assert float(mine.norm()) == pytest.approx(float(autograd.norm()), rel=0.02)


def test_as_the_published_march_with_many_samples():
    subject = person(FINE)
    pose, camera = some_pose(), orbit(some_view(), size=40)
    fast = FastMarch(subject, Settings(precision="fp32", step=0.01, stop=1e-4), CPU)
    with torch.no_grad():
        wanted = torch.cat(draw(subject, bones_to_world(pose, subject.rest_joints), camera), dim=1)
        error = (picture(fast, pose, camera, subject) - wanted).square().mean()
    assert -10 * error.log10() > 45


def test_bf16_keeps_the_picture_and_the_gradient(subject):
    pose, camera, flow = some_pose(), orbit(some_view(), size=48), cotangent(1, 48)
    exact, rounded = (FastMarch(subject, Settings(precision=p), CPU) for p in ("fp32", "bf16"))
    error = (picture(exact, pose, camera, subject) - picture(rounded, pose, camera, subject)).square().mean()
    assert -10 * error.log10() > 45
    for a, b in zip(
        gradients(exact, subject, pose, camera, flow), gradients(rounded, subject, pose, camera, flow), strict=True
    ):
        assert cosine(a, b) > 0.99


def test_auto_is_what_posegen_calls_a_processor_for_bfloat16(subject, monkeypatch):
    """Not where it is only emulated, as on AVX-512 without its bfloat16: float32 is five times as fast there."""
    monkeypatch.setattr(precision, "_cpu_has_bfloat16", lambda: False)
    assert FastMarch(subject, Settings(), CPU).network.dtype == torch.float32
    assert FastMarch(subject, Settings(precision="bf16"), CPU).network.dtype == torch.bfloat16


def test_gradients_against_finite_differences():
    """Along random directions of pose, K (through the orbit), the camera's place and its intrinsics."""
    subject = person()
    subject.fine = balls(tau=20.0, density=20.0)  # soft, so that differences are those of a smooth function
    subject.fine.rgb_linear.weight.div_(6)
    every = Settings(
        precision="fp32", step=0.02, cut=4, stop=1e-5, gradient_step=0.02, gradient_cut=4, gradient_stop=1e-5
    )
    fast = FastMarch(subject, every, CPU)
    flow = cotangent(1, 32)

    def loss(pose, view, shift, lens):
        camera = orbit(view, size=32)
        moved = Camera(camera.rotation, camera.translation + shift, camera.intrinsics + lens, 32, 32)
        return (picture(fast, pose, moved, subject) * flow).sum()

    at = [some_pose(), some_view(), torch.zeros(1, 3), torch.zeros(1, 3, 3)]
    leaves = [t.clone().requires_grad_() for t in at]
    loss(*leaves).backward()
    g = torch.Generator().manual_seed(3)
    for i, (size, rows) in enumerate([(3e-4, None), (3e-4, None), (3e-4, None), (6e-3, 2)]):
        for _ in range(2):
            way = torch.randn(at[i].shape, generator=g)
            if rows:
                way[:, rows:] = 0
            ahead, behind = ([*at[:i], at[i] + s * size * way, *at[i + 1 :]] for s in (1, -1))
            slope = float(loss(*ahead) - loss(*behind)) / (2 * size)
            assert float((leaves[i].grad * way).sum()) == pytest.approx(
                slope, rel=0.03, abs=0.05 * float(leaves[i].grad.norm())
            )


def test_small_gradients_are_sampled_without_bias():
    """Those that stand for others make up for them; the large ones are all there, once."""
    g = torch.Generator().manual_seed(0)
    size = (torch.rand(4000, generator=g) ** 6).numpy()
    node, times = _counting(size, size)
    assert len(node) < 0.8 * len(size) and (np.diff(node) > 0).all()
    assert float((size[node] * times).sum()) == pytest.approx(float(size.sum()), rel=1e-3)
    largest = np.argsort(size)[-200:]
    assert np.isin(largest, node).all() and (times[np.isin(node, largest)] == 1).all()
    assert len(_counting(0 * size, 0 * size)[0]) == 0


def test_where_nobody_looked_there_is_no_gradient(calibrated, monkeypatch):
    """A constant stands for the density there."""
    seen, sizes = [], []

    def weigh(first, done, nodes, raw, *rest):
        seen.append(raw == integrate.OUTSIDE)
        return weigh_gradient(first, done, nodes, raw, *rest)

    def count(density, colour):
        sizes.append(density)
        return _counting(density, colour)

    weigh_gradient = integrate.weigh_gradient
    monkeypatch.setattr(integrate, "weigh_gradient", weigh)
    monkeypatch.setattr(backward, "_counting", count)
    fast = FastMarch(calibrated, Settings(threads=1, gradient_step=0.06, gradient_cut=1), CPU)
    gradients(fast, calibrated, some_pose(), orbit(some_view(), size=48), cotangent(1, 48))
    outside, size = np.concatenate(seen), np.concatenate(sizes)
    assert outside.any() and size.any() and not size[outside].any()


def test_a_gradient_that_is_no_number_stays_visible(subject):
    pose, camera, flow = some_pose(), orbit(some_view(), size=24), cotangent(1, 24)
    flow[0, 0, 12, 12] = torch.nan
    assert gradients(FastMarch(subject, Settings(), CPU), subject, pose, camera, flow)[0].isnan().all()


# ---------------------------------------------------------------- what is culled


def test_nothing_visible_is_culled(subject, calibrated):
    """On poses that calibration did not see: profiles against capsules of 0.3 m."""
    pose, camera = some_pose(4, seed=11), orbit(some_view(4, seed=12), size=64)
    whole, tight = (FastMarch(s, Settings(precision="fp32"), CPU) for s in (subject, calibrated))
    a, b = picture(whole, pose, camera, subject), picture(tight, pose, camera, subject)
    assert (a - b).abs().max() < 0.02
    assert -10 * (a - b).square().mean().log10() > 55
    assert tight.samples < 0.5 * whole.samples


@pytest.mark.parametrize("cut", [1, 4])
def test_nodes_are_left_out_only_between_two_without_density(subject, cut):
    """Against looking at every node: the same densities wherever one was looked at, and as much light on every ray."""
    pose, camera = some_pose(seed=5), orbit(some_view(seed=6), size=48)
    fast = FastMarch(subject, Settings(precision="fp32", stop=1e-3, cut=cut), CPU)
    into = frames(bones_to_world(pose, subject.rest_joints), camera)
    looked = nodes = 0
    for strip in fast.strips(into, 48, 48):
        rays, marched = strip[2], fast.march(strip)
        whole = np.empty(len(rays.nodes), np.float32)
        ray = np.repeat(np.arange(len(rays.pixels), dtype=np.int32), np.diff(rays.first))
        depth = rays.depth(np.arange(len(ray)))
        encoder = fast.encoder()
        for i in range(0, len(depth), BATCH):
            part = slice(i, i + BATCH)
            units = encoder.network.last(encoder.features(rays, ray[part], depth[part]))
            whole[part] = encoder.density(units, len(ray[part]))
        settled = np.arange(len(ray)) - rays.first[ray] < marched.done[ray]
        same = np.isclose(marched.raw, whole, rtol=1e-3, atol=1e-3)
        assert (same | (marched.raw <= 0))[settled].all()
        assert same[settled & (rays.nodes % rays.stride == 0) & ~rays.ends].all()  # these are always looked at
        weights, light = np.zeros_like(whole), np.ones(len(rays.pixels), np.float32)
        integrate.weigh(rays.first, marched.done, rays.nodes, whole, rays.length, weights, light)
        assert np.abs(light - marched.passed).max() < 0.02
        assert np.abs(light - marched.passed).mean() < 2e-4
        looked, nodes = looked + marched.samples, nodes + int(settled.sum())
    assert 0 < looked < 0.9 * nodes


@pytest.mark.parametrize("cut", [2, 3])
def test_cut_puts_nodes_between_neighbours_alone(subject, cut):
    into = frames(bones_to_world(some_pose(), subject.rest_joints), orbit(some_view(), size=24))
    listed, cuts = (FastMarch(subject, Settings(cut=n), CPU).strips(into, 24, 24) for n in (1, cut))
    for (_, pixels, few), (_, same, many) in zip(listed, cuts, strict=True):
        assert np.array_equal(pixels, same)
        assert many.length == pytest.approx(few.length / cut)
        for r in range(len(pixels)):
            old, new = (rays.depth(np.arange(rays.first[r], rays.first[r + 1])) for rays in (few, many))
            joined = np.isclose(np.diff(old), few.step, rtol=1e-3)
            wanted = [
                np.linspace(a, b, cut, endpoint=False) if j else [a]
                for a, b, j in zip(old[:-1], old[1:], joined, strict=True)
            ]
            assert new == pytest.approx(np.concatenate([*wanted, old[-1:]]), abs=1e-5)


def test_a_gradient_is_taken_through_closer_nodes_than_a_picture(calibrated):
    pose, camera, flow = some_pose(), orbit(some_view(), size=40), cotangent(1, 40)
    marches = [
        FastMarch(calibrated, Settings(precision="fp32", gradient_step=0.02, gradient_cut=n), CPU) for n in (1, 4)
    ]
    dense = FastMarch(
        calibrated, Settings(precision="fp32", gradient_step=0.002, gradient_cut=1, gradient_stop=1e-5), CPU
    )
    wanted = gradients(dense, calibrated, pose, camera, flow)[0]
    once, often = (cosine(gradients(fast, calibrated, pose, camera, flow)[0], wanted) for fast in marches)
    assert 1 - often < 0.5 * (1 - once)
    samples = marches[1].samples
    with torch.no_grad():
        picture(marches[1], pose, camera, calibrated)
    assert marches[1].samples < 0.8 * samples


def test_calibration_is_deterministic_and_stored(calibrated, subject, tmp_path):
    assert torch.equal(calibrate(subject, views=192), calibrated.margins)
    calibrated.save(tmp_path / "s.safetensors")
    assert torch.equal(type(subject).load(tmp_path / "s.safetensors").margins, calibrated.margins)


def test_a_field_that_is_dense_everywhere_is_no_person(tmp_path, monkeypatch):
    fog = person()
    fog.fine.alpha_linear.bias.fill_(5.0)
    with pytest.raises(AssetError, match="is dense"):
        calibrate(fog, views=2)
    fog.save(tmp_path / "fog.safetensors")
    monkeypatch.setattr("posegen_anerf.fast.calibrate.calibrate", partial(calibrate, views=2))
    with pytest.warns(UserWarning, match=r"fog\.safetensors: the field is dense 1\.0 m away.*drawn, slowly"):
        assert open_subject(str(tmp_path / "fog.safetensors"), calibrated=True).margins is None
    monkeypatch.setenv("POSEGEN_CACHE_DIR", str(tmp_path))  # as if it had been converted from an official checkpoint
    with pytest.raises(AssetError, match="is dense"):
        open_subject(str(tmp_path / "fog.safetensors"), calibrated=True)


# ---------------------------------------------------------------- the same bits


def test_the_same_bits_for_any_threads_and_any_batch(calibrated):
    pose, camera, flow = some_pose(3), orbit(some_view(3), size=40), cotangent(3, 40)
    one, two, five = (FastMarch(calibrated, Settings(threads=n), CPU) for n in (1, 2, 5))
    before = torch.get_num_threads()
    images = [picture(fast, pose, camera, calibrated) for fast in (one, two, five)]
    assert torch.equal(images[0], images[1]) and torch.equal(images[0], images[2])
    alone = [picture(two, pose[i : i + 1], camera[i : i + 1], calibrated) for i in range(3)]
    assert torch.equal(images[0], torch.cat(alone))
    flows = [gradients(fast, calibrated, pose, camera, flow) for fast in (one, two)]
    assert all(torch.equal(a, b) for a, b in zip(*flows, strict=True))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_a_backward_pass_in_a_thread_takes_one_core(cores):
    """It sets its thread's cores to the caller's, whatever the thread was told when it began."""
    before = torch.get_num_threads()
    torch.set_num_threads(cores)

    def backward(x):
        x.square().sum().backward()
        return torch.get_num_threads()

    try:
        assert each(backward, [torch.rand(8, requires_grad=True) for _ in range(6)], threads=2) == [1] * 6
        assert torch.get_num_threads() == cores
        with pytest.raises(ZeroDivisionError):
            each(lambda x: 1 / x, [0], threads=2)
        assert torch.get_num_threads() == cores
    finally:
        torch.set_num_threads(before)


# ---------------------------------------------------------------- gradients through some of the rays


def test_a_fraction_of_the_rays_gives_the_gradient_on_average(calibrated):
    pose, camera, flow = some_pose(), orbit(some_view(), size=24), cotangent(1, 24)
    whole = gradients(FastMarch(calibrated, Settings(precision="fp32"), CPU), calibrated, pose, camera, flow)[0]
    some = FastMarch(calibrated, Settings(precision="fp32", fraction=0.25), CPU)
    torch.manual_seed(5)
    draws = torch.stack([gradients(some, calibrated, pose, camera, flow)[0] for _ in range(100)])
    off = (draws.mean(0) - whole).norm()
    spread = draws.std(0).norm() / 10  # of the mean of 100
    assert 0 < off < 2 * spread
    assert cosine(draws.mean(0), whole) > 0.97
    again = FastMarch(calibrated, Settings(precision="fp32", fraction=0.25), CPU)
    torch.manual_seed(5)
    assert torch.equal(gradients(again, calibrated, pose, camera, flow)[0], draws[0])


def test_the_chosen_rays_are_about_the_fraction(calibrated):
    fast = FastMarch(calibrated, Settings(fraction=0.25), CPU)
    flow = torch.randn(4, 900, 4, generator=torch.Generator().manual_seed(0))
    share = (fast.chosen(flow)[..., 0] != 0).float().mean()
    assert float(share) == pytest.approx(0.25, abs=0.03)


# ---------------------------------------------------------------- pictures that must not surprise


@pytest.fixture(scope="module")
def renderer(calibrated, tmp_path_factory):
    path = tmp_path_factory.mktemp("fast") / "person.safetensors"
    calibrated.save(path)
    return AnerfRenderer(AnerfRenderer.Options(subject=str(path)))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 33), (65, 9)])
def test_any_size(renderer, width, height):
    camera = orbit(torch.zeros(1, 3), size=8)
    k = torch.tensor([[[1.5 * height, 0, width / 2], [0, 1.5 * height, height / 2], [0, 0, 1]]])
    render = renderer.render(torch.zeros(1, 23, 3), replace(camera, intrinsics=k, width=width, height=height))
    assert render.image.shape == (1, 3, height, width) and render.alpha.shape == (1, 1, height, width)
    assert render.alpha.amax() > 0.5  # the person stands in the middle
    assert bool((render.image <= render.alpha + 2e-3).all())


def test_a_window_of_the_picture_is_that_part_of_it(renderer):
    camera = orbit(some_view(), size=48)
    shifted = camera.intrinsics.clone()
    shifted[:, :2, 2] -= torch.tensor([16.0, 8.0])
    whole = renderer.render(some_pose(), camera).image
    part = renderer.render(some_pose(), replace(camera, intrinsics=shifted, width=20, height=30)).image
    assert (whole[:, :, 8:38, 16:36] - part).abs().max() < 0.02


@pytest.mark.parametrize("distance", [50.0, -4.0])
def test_a_person_outside_of_the_frame_is_not_drawn(renderer, distance):
    camera = orbit(torch.zeros(1, 3), size=32)
    away = camera.translation + torch.tensor([[0.0, 0.0, -8.0] if distance < 0 else [distance, 0.0, 0.0]])
    pose = torch.zeros(1, 23, 3, requires_grad=True)
    render = renderer.render(pose, replace(camera, translation=away))
    assert not render.alpha.any() and not render.image.any()
    render.image.sum().backward()
    assert not pose.grad.any()


def test_a_camera_inside_the_body_sees_what_lies_ahead(renderer):
    camera = orbit(torch.zeros(1, 3), size=32)
    pose = torch.zeros(1, 23, 3, requires_grad=True)
    render = renderer.render(pose, replace(camera, translation=torch.tensor([[0.0, 0.0, 0.0]])))
    assert bool(torch.isfinite(render.image).all()) and render.alpha.amax() > 0.9
    render.image.sum().backward()
    assert bool(torch.isfinite(pose.grad).all())


def test_a_far_camera(renderer):
    render = renderer.render(torch.zeros(1, 23, 3), orbit(torch.zeros(1, 3), distance=400.0, focal=4800.0, size=32))
    near = renderer.render(torch.zeros(1, 23, 3), orbit(torch.zeros(1, 3), distance=40.0, focal=480.0, size=32))
    assert (render.alpha - near.alpha).abs().mean() < 0.02


def test_no_image_and_no_gradient(renderer, calibrated):
    render = renderer.render(torch.zeros(0, 23, 3), orbit(torch.zeros(0, 3), size=16))
    assert render.image.shape == (0, 3, 16, 16)
    none = dense.draw(FastMarch(calibrated, Settings(), CPU, kernels=False), torch.zeros(0, 3, 4, 24), 16, 16)
    assert none.shape == (0, 256, 4)
    with torch.no_grad():
        assert not renderer.render(
            torch.zeros(1, 23, 3, requires_grad=True), orbit(torch.zeros(1, 3), size=16)
        ).image.requires_grad


@pytest.mark.parametrize(("width", "height"), [(64, 64), (33, 17)])
def test_a_picture_drawn_with_fewer_pixels_is_the_same_picture_softer(renderer, width, height):
    k = torch.tensor([[[1.5 * height, 0, width / 2], [0, 1.5 * height, height / 2], [0, 0, 1.0]]])
    camera = replace(orbit(torch.zeros(1, 3), size=8), intrinsics=k, width=width, height=height)
    smaller, as_large = (
        AnerfRenderer(renderer._options.model_copy(update={"side": side})) for side in ((width + 1) // 2, width)
    )
    pose = torch.zeros(1, 23, 3, requires_grad=True)
    sharp, soft = renderer.render(pose, camera), smaller.render(pose, camera)
    assert torch.equal(as_large.render(pose, camera).image, sharp.image)
    assert not torch.equal(soft.image, sharp.image)
    assert soft.image.shape == sharp.image.shape and soft.alpha.shape == sharp.alpha.shape
    for name, bound in (("alpha", 0.1), ("image", 0.06)):
        one, other = (F.adaptive_avg_pool2d(getattr(r, name).detach(), 4) for r in (sharp, soft))
        assert one.max() > 1.5 * bound and (one - other).abs().max() < bound


def test_kernels_that_are_older_than_a_source_are_forgotten(tmp_path):
    """numba looks at a kernel's own file alone, and a kernel holds the constants of others."""
    kept = tmp_path / "__pycache__"
    kept.mkdir()
    for name, time in (("a.py", 100), ("b.py", 300), ("__pycache__/a.nbi", 200), ("__pycache__/b.1.nbc", 400)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time, time))
    (kept / "a.cpython-311.pyc").touch()
    os.utime(kept / "a.cpython-311.pyc", (1, 1))
    compile._forget(tmp_path)
    assert sorted(path.name for path in kept.iterdir()) == ["a.cpython-311.pyc", "b.1.nbc"]
