"""Each kernel of the fast march against the same thing in torch: values and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from anerf_people import SMALL, person
from posegen_anerf.fast import dense, encode, gradient, integrate, views
from posegen_anerf.fast.draw import FastMarch, Settings
from posegen_anerf.fast.scene import frames
from posegen_anerf.fast.weights import Network
from posegen_anerf.field import Field
from posegen_anerf.skeleton import bones_to_world

from posegen.geometry import orbit

OCTAVES, OCTAVES_VIEWS = 7, 4
CONFIG = SMALL.model_copy(update={"multires": OCTAVES, "multires_views": OCTAVES_VIEWS})


@pytest.fixture(scope="module")
def fast():
    return FastMarch(person(CONFIG), Settings(precision="fp32"), torch.device("cpu"), kernels=False)


@pytest.fixture(scope="module")
def scene(fast):
    """frames (3,4,24), pixels (R,2), ray (B,), depth (B,): samples in and around a person."""
    g = torch.Generator().manual_seed(0)
    pose, camera = 0.3 * torch.randn(1, 23, 3, generator=g), orbit(torch.randn(1, 3, generator=g), size=64)
    frame = frames(bones_to_world(pose, person(CONFIG).rest_joints), camera)[0]
    pixels = 24 + 16 * torch.rand(100, 2, generator=g)
    ray = torch.arange(100).repeat_interleave(5)
    depth = frame[:, 3].norm(dim=0).mean() + 0.8 * torch.randn(500, generator=g)
    return frame, pixels, ray, depth


def kernel_arguments(fast, scene):
    frame, pixels, ray, depth = scene
    tau = np.float32(fast.tau)
    cutoff = fast.cutoff.numpy()
    return frame.contiguous().numpy(), pixels.numpy(), ray.int().numpy(), depth.numpy(), cutoff, tau


def homogeneous(pixels, ray):
    return torch.nn.functional.pad(pixels, (0, 1), value=1.0)[ray]


def test_features(fast, scene):
    frame, pixels, ray, depth = scene
    wanted = dense.features(fast, frame.double(), homogeneous(pixels, ray).double(), depth.double())
    halved = encode.halvings(float(fast.cutoff.max()), fast.tau)
    out, rounded = np.zeros((500, 448), np.float32), np.zeros((500, 448), np.uint16)
    encode.encode(*kernel_arguments(fast, scene), halved, OCTAVES, out)
    encode.encode(*kernel_arguments(fast, scene), halved, OCTAVES, rounded)
    assert torch.allclose(torch.from_numpy(out[:, : wanted.shape[1]]).double(), wanted, atol=5e-5)
    assert not out[:, wanted.shape[1] :].any()
    bits = torch.from_numpy(rounded.view(np.int16)).view(torch.bfloat16)
    assert torch.equal(bits, torch.from_numpy(out).bfloat16())  # to the nearest, ties to even


@pytest.mark.parametrize(("cutoff", "tau"), [(0.5, 20.0), (0.5, 2000.0), (2.0, 20.0)])
def test_features_hold_wherever_a_joint_has_weight(fast, scene, cutoff, tau):
    frame, pixels, ray, depth = scene
    other = FastMarch(person(CONFIG), Settings(precision="fp32"), torch.device("cpu"), kernels=False)
    other.cutoff, other.tau = torch.full((24,), cutoff), tau
    wanted = dense.features(other, frame.double(), homogeneous(pixels, ray).double(), depth.double())
    out = np.zeros((500, 448), np.float32)
    encode.encode(*kernel_arguments(other, scene), encode.halvings(cutoff, tau), OCTAVES, out)
    steep = 1e-7 * tau  # the weight's slope times the rounding of a distance
    assert torch.allclose(torch.from_numpy(out[:, : wanted.shape[1]]).double(), wanted, atol=5e-5 + 3 * steep)


def test_views(fast, scene):
    frame, pixels, ray, depth = scene
    wanted = dense.views(fast, frame.double(), homogeneous(pixels, ray).double(), depth.double())
    out = np.zeros((500, 10 + wanted.shape[1]), np.float32)
    views.view(*kernel_arguments(fast, scene), OCTAVES_VIEWS, out, 10)
    assert not out[:, :10].any()
    assert torch.allclose(torch.from_numpy(out[:, 10:]).double(), wanted, atol=2e-5)


def test_gradient_of_features_and_views(fast, scene):
    frame, pixels, ray, depth = scene
    exact = frame.double().requires_grad_()
    at = (fast, exact, homogeneous(pixels, ray).double(), depth.double())
    near, seen = dense.features(*at), dense.views(*at)
    g = torch.Generator().manual_seed(1)
    g_near, g_seen = torch.randn(near.shape, generator=g), torch.randn(seen.shape, generator=g)
    ((near * g_near).sum() + (seen * g_seen).sum()).backward()
    out = np.zeros((3, 4, 24))
    halved = encode.halvings(float(fast.cutoff.max()), fast.tau)
    shifted = np.concatenate([np.zeros((500, 3), np.float32), g_seen.numpy()], axis=1)
    octaves = halved, OCTAVES, OCTAVES_VIEWS
    gradient.encode_gradient(*kernel_arguments(fast, scene), *octaves, g_near.numpy(), shifted, 3, out)
    assert np.abs(out - exact.grad.numpy()).max() < 2e-5 * exact.grad.abs().max()


def nodes_of_rays(seed):
    """Raw densities of rays with gaps: first (R+1,), nodes (n,), raw (n,), length (R,)."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 12, 40)
    nodes = [np.cumsum(rng.integers(1, 8, n) // 6 + 1) for n in counts]
    first = np.concatenate([[0], np.cumsum(counts)])
    raw = rng.normal(0, 30, first[-1]).astype(np.float32)
    return first, np.concatenate(nodes).astype(np.int32), raw, rng.uniform(0.02, 0.04, 40).astype(np.float32)


def padded(first, nodes, values):
    most = np.diff(first).max()
    index = np.minimum(first[:-1, None] + np.arange(most), len(nodes) - 1)
    exists = np.arange(most) < np.diff(first)[:, None]
    joined = exists[:, 1:] & (np.diff(nodes[index], axis=1) == 1)
    return torch.from_numpy(values[index]).double(), torch.from_numpy(exists), torch.from_numpy(joined)


def test_integral_and_its_gradient():
    first, nodes, raw, length = nodes_of_rays(0)
    done = np.diff(first).astype(np.int32)
    weights, passed = np.zeros_like(raw), np.zeros_like(length)
    integrate.weigh(first, done, nodes, raw, length, weights, passed)
    exact, exists, joined = padded(first, nodes, raw)
    exact.requires_grad_()
    stretch = torch.from_numpy(length).double().requires_grad_()
    shares, after = dense.integrate(exact, joined, stretch)
    assert torch.allclose(shares[exists], torch.from_numpy(weights).double(), atol=1e-6)
    assert torch.allclose(after[:, -1], torch.from_numpy(passed).double(), atol=1e-6)
    assert np.allclose(np.add.reduceat(weights, first[:-1]) + passed, 1, atol=1e-6)  # no light is lost
    rng = np.random.default_rng(1)
    value, g_passed = rng.normal(size=len(raw)).astype(np.float32), rng.normal(size=40).astype(np.float32)
    ((shares[exists] * torch.from_numpy(value)).sum() + (after[:, -1] * torch.from_numpy(g_passed)).sum()).backward()
    g_raw, g_length = np.zeros_like(raw), np.zeros_like(length)
    integrate.weigh_gradient(first, done, nodes, raw, length, value, g_passed, g_raw, g_length)
    assert np.allclose(g_raw, exact.grad[exists].numpy(), atol=1e-6)
    assert np.allclose(g_length, stretch.grad.numpy(), rtol=1e-4, atol=1e-4)


def test_a_surface_lies_where_the_density_crosses_zero():
    """Half a cell of density d in front of an opaque node, whatever the node's own depth."""
    first, nodes, raw = np.array([0, 2]), np.array([5, 6], np.int32), np.array([-40, 40], np.float32)
    weights, passed = np.zeros(2, np.float32), np.zeros(1, np.float32)
    integrate.weigh(first, np.array([2], np.int32), nodes, raw, np.array([0.1], np.float32), weights, passed)
    assert passed[0] == pytest.approx(np.exp(-40 * 0.1 / 8 * 2), rel=0.1)
    assert weights[0] == 0  # outside, a field has no colour
    assert weights[1] == pytest.approx(1 - passed[0])


CONFIGS = {
    "surreal": {"multires": 7, "multires_views": 4},
    "raw views": {"multires": 7, "multires_views": 0},
    "frame codes": {"framecode_size": 16, "framecodes": 5},
    "no skip": {"skip": 9},
    "no skip after the last layer": {"skip": SMALL.depth - 1},
    "density scale": {"density_scale": 4.0},
    "deep": {"depth": 8, "skip": 4, "width": 48, "view_width": 40},
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("packed", [True, False])
def test_prepared_weights_are_the_same_function(name, packed):
    config = SMALL.model_copy(update=CONFIGS[name])
    field = Field(config).initialise(torch.Generator().manual_seed(0)).requires_grad_(False)
    g = torch.Generator().manual_seed(1)
    near, bones, seen = (torch.rand(1, 64, n, generator=g) for n in (config.point_size - 72, 72, config.view_size))
    frame = 3 if config.framecodes else None
    wanted = field.decode(near, bones, seen, None if frame is None else torch.tensor([frame]))[0]
    network = Network(field, torch.float32, frame, packed)
    x = torch.cat([near[0], bones[0].reshape(64, 24, 3).transpose(1, 2).flatten(1)], dim=1)
    hidden = network.trunk(torch.nn.functional.pad(x, (0, network.inputs - x.shape[1])))
    view = seen[0].reshape(64, -1, 24, 3).transpose(2, 3).flatten(1)
    late = torch.cat([hidden[-1], view], dim=1)
    units = network.colour(torch.nn.functional.pad(late, (0, network.late - late.shape[1])))
    linear = torch.nn.functional.linear
    raw = torch.cat([linear(units, *network.rgb), config.density_scale * linear(hidden[-1], *network.density)], dim=1)
    assert torch.allclose(raw, wanted, atol=1e-5)


def test_gradient_of_the_trunk():
    field = Field(CONFIG).initialise(torch.Generator().manual_seed(0)).requires_grad_(False)
    packed, plain = Network(field, torch.float32), Network(field, torch.float32, packed=False)
    g = torch.Generator().manual_seed(1)
    x = torch.rand(64, packed.inputs, generator=g)
    flow = torch.randn(64, packed.width, generator=g)
    exact = x.clone().requires_grad_()
    plain.trunk(exact)[-1].backward(flow)
    assert torch.allclose(packed.trunk_gradient(flow, packed.trunk(x)), exact.grad, atol=1e-5)
