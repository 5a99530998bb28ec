"""The pieces of HybrIK's inverse kinematics (Li et al. 2021, Eq 5-9): safe at zero, with gradients everywhere."""

from __future__ import annotations

import torch
from torch import Tensor

SHORT = 1e-4  # metres; a bone shorter than this has no direction
STEEP = 0.02  # metres; shorter than any bone of a body: the direction's gradient, one over the length, grows no more
OPPOSITE = 1e-4  # 1 + cos; two directions closer to opposite than this have no unique swing
RIDGE = 1e-6  # square metres; keeps the gradient of the best rotation finite


def cross_matrix(v: Tensor) -> Tensor:
    """v (...,3) -> (...,3,3), the matrix of ``v x``."""
    x, y, z = v.unbind(-1)
    o = torch.zeros_like(x)
    return torch.stack([o, -z, y, z, o, -x, -y, x, o], dim=-1).reshape(*v.shape, 3)


def direction(bone: Tensor, otherwise: Tensor) -> Tensor:
    """Bones (...,3) in metres -> unit vectors; ``otherwise`` where a bone has no length."""
    length = torch.linalg.vector_norm(bone.detach(), dim=-1, keepdim=True)
    long = length > SHORT
    safe = torch.where(long, bone, torch.ones_like(bone))  # so that no gradient divides by zero
    share = (length / STEEP).clamp(max=1)
    safe = share * safe + (1 - share) * safe.detach()
    unit: Tensor = safe / torch.linalg.vector_norm(safe, dim=-1, keepdim=True)
    return torch.where(long, unit, otherwise)


def swing(a: Tensor, b: Tensor) -> Tensor:
    """The shortest rotation from unit vectors a to b, (...,3) -> (...,3,3).

    Of opposite vectors, which have many, it is half a turn about a fixed axis, and passes no gradient.
    """
    # 1 + cos of unit vectors, exact where they are nearly opposite
    both = (a + b).square().sum(-1)[..., None, None] / 2
    cross = cross_matrix(torch.linalg.cross(a, b))
    eye = torch.eye(3, dtype=a.dtype, device=a.device)
    opposite = both < OPPOSITE
    near = eye + cross + cross @ cross / torch.where(opposite, torch.ones_like(both), both)
    smallest = torch.nn.functional.one_hot(a.detach().abs().argmin(-1), 3).to(a.dtype)
    across = torch.nn.functional.normalize(torch.linalg.cross(a.detach(), smallest), dim=-1)
    return torch.where(opposite, 2 * across[..., :, None] * across[..., None, :] - eye, near)


def twist(axis: Tensor, phi: Tensor) -> Tensor:
    """Turn about unit vectors (...,3) by the angle of phi (...,2), its cosine and sine up to scale -> (...,3,3)."""
    nothing = phi.detach().square().sum(-1, keepdim=True) < 1e-12
    safe = torch.where(nothing, torch.ones_like(phi), phi)
    unit = safe / torch.linalg.vector_norm(safe, dim=-1, keepdim=True)
    unit = torch.where(nothing, phi.new_tensor([1.0, 0.0]), unit)
    cosine, sine = unit[..., 0, None, None], unit[..., 1, None, None]
    eye = torch.eye(3, dtype=axis.dtype, device=axis.device)
    turn: Tensor = cosine * eye + sine * cross_matrix(axis) + (1 - cosine) * axis[..., :, None] * axis[..., None, :]
    return turn


def from_quaternion(quaternion: Tensor) -> Tensor:
    """Quaternions w,x,y,z (...,4), of any length -> (...,3,3)."""
    unit = quaternion / (torch.linalg.vector_norm(quaternion, dim=-1, keepdim=True) + 1e-8)
    w, v = unit[..., 0, None, None], unit[..., 1:]
    eye = torch.eye(3, dtype=v.dtype, device=v.device)
    along = v[..., :, None] * v[..., None, :]
    turn: Tensor = (w * w - (v * v).sum(-1)[..., None, None]) * eye + 2 * along + 2 * w * cross_matrix(v)
    return turn


def kabsch(rest: Tensor, target: Tensor) -> Tensor:
    """The rotation that best carries vectors (N,K,3) onto others (N,K,3), by least squares -> (N,3,3). No gradient."""
    u, _, vh = torch.linalg.svd((rest.transpose(1, 2) @ target).detach())
    turned = vh.transpose(1, 2) @ u.transpose(1, 2)
    sign = torch.ones_like(turned[..., 0])
    sign[:, 2] = torch.linalg.det(turned)
    best: Tensor = vh.transpose(1, 2) @ (sign[..., None] * u.transpose(1, 2))
    return best


def best_rotation(rest: Tensor, target: Tensor) -> Tensor:
    """``kabsch`` with its gradient.

    At the optimum R, the covariance ``S = R^T sum(target rest^T)`` is symmetric; where the vectors move, R follows by
    the w that restores this, ``(tr(S) I - S) w = vex(S - S^T)`` (implicit differentiation). Unlike the gradient of the
    SVD it stays finite where singular values coincide.
    """
    best = kabsch(rest, target)
    s = best.transpose(1, 2) @ target.transpose(1, 2) @ rest
    vex = torch.stack([s[:, 2, 1] - s[:, 1, 2], s[:, 0, 2] - s[:, 2, 0], s[:, 1, 0] - s[:, 0, 1]], dim=-1)
    eye = torch.eye(3, dtype=s.dtype, device=s.device)
    fixed = s.detach()
    trace = fixed.diagonal(dim1=1, dim2=2).sum(-1)[:, None, None]
    w, _ = torch.linalg.solve_ex((trace + RIDGE) * eye - (fixed + fixed.transpose(1, 2)) / 2, vex[..., None])
    turn: Tensor = best @ (eye + cross_matrix((w - w.detach())[..., 0]))
    return turn
