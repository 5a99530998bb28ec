"""From 3D heatmaps to joints in the crop: u and v of its side, and depth."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from posegen_hybrik.skeleton import mirrored


def marginals(heatmaps: Tensor, joints: int) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (N,J*D,H,W) -> probabilities along each axis, (N,J,W), (N,J,H), (N,J,D), of one softmax over all voxels.

    Fastest with channels last, which is read as it lies. Keeps the logits alone for the gradient, of which there is
    the first; on the CPU nothing else has the size of more than one person's volume.
    """
    along: tuple[Tensor, Tensor, Tensor] = _Marginals.apply(  # type: ignore[no-untyped-call]
        heatmaps.contiguous(memory_format=torch.channels_last), joints
    )
    return along


def expected(along: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Probabilities along each axis, (N,J,S) each -> expected place (N,J,3), each index / size - 0.5."""
    return torch.stack([p @ torch.arange(p.shape[-1]).to(p) / p.shape[-1] for p in along], dim=-1) - 0.5


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


class _Marginals(torch.autograd.Function):
    """A function of the marginals changes by p (g - E g) with the logits, g the sum of its gradients along the axes."""

    @staticmethod
    def forward(ctx: Any, heatmaps: Tensor, joints: int) -> tuple[Tensor, Tensor, Tensor]:
        volumes = _volumes(heatmaps, joints)
        workspace = _workspace(volumes)
        across, down, away, tops, totals = [], [], [], [], []
        for volume in torch.split(volumes, len(workspace)):
            mass = workspace[: len(volume)].copy_(volume)
            top = mass.amax(1).amax(-1)[:, None, :, None]
            mass.sub_(top).exp_()
            columns = mass.sum(-1).unflatten(1, heatmaps.shape[2:])  # (n,H,W,J)
            away.append(mass.sum(1))
            across.append(columns.sum(1).transpose(1, 2))
            down.append(columns.sum(2).transpose(1, 2))
            tops.append(top)
            totals.append(away[-1].sum(-1, keepdim=True))
        total = torch.cat(totals)
        along = torch.cat(across) / total, torch.cat(down) / total, torch.cat(away) / total
        ctx.save_for_backward(heatmaps, *along, torch.cat(tops), total)
        return along

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # type: ignore[override, unused-ignore]
        heatmaps, *along, top, total = ctx.saved_tensors
        out = torch.empty_like(heatmaps)
        volumes, outs = _volumes(heatmaps, total.shape[1]), _volumes(out, total.shape[1])
        mean = sum((g * p).sum(-1, keepdim=True) for g, p in zip(gradients, along, strict=True))
        across, down, away = gradients[0] / total, gradients[1] / total, (gradients[2] - mean) / total
        flat = (down[..., None] + across[..., None, :]).flatten(2).transpose(1, 2)  # (N,HW,J)
        workspace = _workspace(volumes)
        change = torch.empty_like(workspace)
        for i in range(0, len(volumes), len(workspace)):
            part = slice(i, i + len(workspace))
            n = len(volumes[part])
            torch.add(flat[part, ..., None], away[part, None], out=change[:n])
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
