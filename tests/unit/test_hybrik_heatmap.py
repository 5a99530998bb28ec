"""HybrIK's soft argmax against its definition, and its mirror."""

from __future__ import annotations

import pytest
import torch
from posegen_hybrik.heatmap import expected, marginals, mirror
from posegen_hybrik.skeleton import mirrored
from torch import Tensor

JOINTS, DEPTH, HEIGHT, WIDTH = 4, 5, 6, 7


def logits(n: int = 3, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(n, JOINTS * DEPTH, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))


def by_definition(heatmaps: Tensor) -> Tensor:
    p = heatmaps.reshape(len(heatmaps), JOINTS, -1).softmax(-1).reshape(-1, JOINTS, DEPTH, HEIGHT, WIDTH)
    u = (p.sum((2, 3)) * torch.arange(WIDTH) / WIDTH).sum(-1)
    v = (p.sum((2, 4)) * torch.arange(HEIGHT) / HEIGHT).sum(-1)
    d = (p.sum((3, 4)) * torch.arange(DEPTH) / DEPTH).sum(-1)
    return torch.stack([u, v, d], -1) - 0.5


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_value_and_gradient_are_those_of_the_definition(layout: torch.memory_format) -> None:
    a = logits().contiguous(memory_format=layout).requires_grad_()
    b = logits().requires_grad_()
    weight = torch.randn(3, JOINTS, 3, generator=torch.Generator().manual_seed(1))
    ours, theirs = expected(marginals(a, JOINTS)), by_definition(b)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    (ours * weight).sum().backward()
    (theirs * weight).sum().backward()
    torch.testing.assert_close(a.grad, b.grad, rtol=0, atol=1e-6)


def test_marginals_are_those_of_the_definition_with_any_function_of_them() -> None:
    """Squares and cross terms, so that the gradient depends on every bin."""
    a, b = logits().requires_grad_(), logits().requires_grad_()
    p = b.reshape(3, JOINTS, -1).softmax(-1).reshape(3, JOINTS, DEPTH, HEIGHT, WIDTH)
    ours, theirs = marginals(a, JOINTS), (p.sum((2, 3)), p.sum((2, 4)), p.sum((3, 4)))
    for x, y in zip(ours, theirs, strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=1e-6)
        torch.testing.assert_close(x.sum(-1), torch.ones(3, JOINTS))
    for across, down, away in (ours, theirs):
        (across.square().sum() + (down.amax(-1) * away.log()[..., 0]).sum()).backward()
    torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-6)


def test_large_logits_do_not_overflow_and_joints_do_not_drown_each_other() -> None:
    heatmaps = logits(scale=1.0)
    heatmaps[:, :DEPTH] += 1e4
    heatmaps[:, DEPTH : 2 * DEPTH] -= 1e4
    heatmaps.requires_grad_()
    place = expected(marginals(heatmaps, JOINTS))
    torch.testing.assert_close(place, by_definition(heatmaps), rtol=0, atol=1e-3)
    place.sum().backward()
    assert heatmaps.grad is not None and torch.isfinite(heatmaps.grad).all()


def test_half_precision_logits_keep_a_float_place_and_their_own_gradient_type() -> None:
    heatmaps = logits().bfloat16().requires_grad_()
    place = expected(marginals(heatmaps, JOINTS))
    assert place.dtype == torch.float32
    torch.testing.assert_close(place, by_definition(heatmaps.float()), rtol=0, atol=1e-6)
    place.sum().backward()
    assert heatmaps.grad is not None and heatmaps.grad.dtype == torch.bfloat16


def test_a_mirrored_peak_lies_one_column_right_of_its_mirror_image() -> None:
    """Column i of W has its mirror image at W-1-i; expectations are of i / W, whose mirror image is 1 - i / W."""
    joints, width = 24, 9
    heatmaps = torch.full((1, joints, 2, 3, width), -50.0)
    heatmaps[0, 4, 1, 2, 6] = 50.0  # the left knee
    heatmaps[0, [j for j in range(joints) if j != 4], 0, 0, 5] = 50.0
    flat = heatmaps.reshape(1, -1, 3, width)
    there = expected(marginals(mirror(flat, joints), joints))[0]
    here = expected(marginals(flat, joints))[0]
    torch.testing.assert_close(there[5, 0], -here[4, 0])
    torch.testing.assert_close(there[5, 1:], here[4, 1:])


@pytest.mark.parametrize("joints", [24, 29])
def test_mirroring_twice_changes_no_joint(joints: int) -> None:
    order = mirrored(joints)
    assert [order[j] for j in order] == list(range(joints))
    assert sum(j != other for j, other in enumerate(order)) == {24: 18, 29: 22}[joints]
