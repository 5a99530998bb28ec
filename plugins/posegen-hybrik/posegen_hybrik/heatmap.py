"""From 3D heatmaps to joints in the crop: u and v of its side, and depth."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from posegen_hybrik.skeleton import mirrored


def soft_argmax(heatmaps: Tensor, joints: int) -> Tensor:
    """Logits (N,J*D,H,W) -> expected place u, v, d (N,J,3), each index / size - 0.5; one softmax over all voxels.

    Fastest with channels last, which is read as it lies. Keeps the logits alone for the gradient, of which there is
    the first; on the CPU nothing else has the size of more than one person's volume.
    """
    place: Tensor = _SoftArgmax.apply(heatmaps.contiguous(memory_format=torch.channels_last), joints)  # type: ignore[no-untyped-call]
    return place


def mirror(heatmaps: Tensor, joints: int) -> Tensor:
    """Logits (N,J*D,H,W) of a mirrored crop -> of the crop: columns turned round and moved one to the right.

    Upstream moves them in place, from one part of a tensor onto another that overlaps it, which leaves most columns of
    a wide heatmap unmoved or repeated, depending on the processor; this is what is meant.
    """
    volume = heatmaps.reshape(len(heatmaps), joints, -1, *heatmaps.shape[2:])
    return volume[:, mirrored(joints)][..., moved_columns(heatmaps.shape[-1])].reshape(heatmaps.shape)


def moved_columns(width: int) -> list[int]:
    """Which column of a mirrored heatmap stands at each place."""
    return [width - 1, *range(width - 1, 0, -1)]


class _SoftArgmax(torch.autograd.Function):
    """The expectation of the coordinates is linear in the probabilities p: its gradient is p (c - E c)."""

    @staticmethod
    def forward(ctx: Any, heatmaps: Tensor, joints: int) -> Tensor:
        volumes = _volumes(heatmaps, joints)
        pixels, slices = _pixels(heatmaps), _slices(volumes)
        workspace = _workspace(volumes)
        places, tops, totals = [], [], []
        for volume in torch.split(volumes, len(workspace)):
            mass = workspace[: len(volume)].copy_(volume)
            top = mass.amax(1).amax(-1)[:, None, :, None]
            mass = mass.sub_(top).exp_() @ slices  # (n,HW,J,2): of a column of voxels, and times their depth
            sums = torch.einsum("ip,npjk->njki", pixels, mass)  # (n,J,2,3)
            total = sums[:, :, 0, :1]
            places.append(torch.cat([sums[:, :, 0, 1:], sums[:, :, 1, :1]], dim=-1) / total)
            tops.append(top)
            totals.append(total)
        place = torch.cat(places)
        ctx.save_for_backward(heatmaps, place, torch.cat(tops), torch.cat(totals))
        return place - 0.5

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override, unused-ignore]
        heatmaps, place, top, total = ctx.saved_tensors
        out = torch.empty_like(heatmaps)
        volumes, outs = _volumes(heatmaps, place.shape[1]), _volumes(out, place.shape[1])
        pixels, slices = _pixels(heatmaps)[1:], _slices(volumes)[:, 1]
        weighed = gradient / total
        flat = torch.einsum("ip,nji->npj", pixels, weighed[..., :2]) - (weighed * place).sum(-1)[:, None]
        deep = weighed[..., 2:] * slices
        workspace = _workspace(volumes)
        change = torch.empty_like(workspace)
        for i in range(0, len(volumes), len(workspace)):
            part = slice(i, i + len(workspace))
            n = len(volumes[part])
            torch.add(flat[part, ..., None], deep[part, None], out=change[:n])
            mass = workspace[:n].copy_(volumes[part]).sub_(top[part]).exp_()
            outs[part] = change[:n].mul_(mass)
        return out, None


def _volumes(heatmaps: Tensor, joints: int) -> Tensor:
    """(N,J*D,H,W) with channels last -> (N,HW,J,D), a view."""
    return heatmaps.permute(0, 2, 3, 1).reshape(len(heatmaps), -1, joints, heatmaps.shape[1] // joints)


def _workspace(volumes: Tensor) -> Tensor:
    """Room for as many volumes as are worked on at once: a CPU's cache holds one, a GPU wants all of them."""
    count = 1 if volumes.device.type == "cpu" else max(1, len(volumes))
    return torch.empty(count, *volumes.shape[1:], device=volumes.device)


def _pixels(heatmaps: Tensor) -> Tensor:
    """1, x and y of every pixel (3,HW), in sides."""
    height, width = heatmaps.shape[2:]
    x = torch.arange(width, device=heatmaps.device) / width
    y = torch.arange(height, device=heatmaps.device) / height
    return torch.stack([torch.ones(height * width, device=x.device), x.repeat(height), y.repeat_interleave(width)])


def _slices(volumes: Tensor) -> Tensor:
    """1 and depth of every slice (D,2)."""
    depth = volumes.shape[-1]
    z = torch.arange(depth, device=volumes.device) / depth
    return torch.stack([torch.ones_like(z), z], dim=1)
