"""The view K: the rotation that carries the camera around the pelvis, as axis-angle (N,3).

``K = 0`` looks at the person's front. In spherical words ``Exp(K) = Ry(azimuth) Rx(-elevation) Rz(roll)``, radians:
azimuth + moves the camera towards the person's left (+X), elevation + lifts it, roll + turns it
counter-clockwise for who holds it, so that the person leans to the right in the picture.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from posegen.geometry.rotation import rotmat_to_rotvec, rotvec_to_rotmat


def view_rotation(view: Tensor) -> Tensor:
    """View (N,3) -> rotation of world (or body) axes into OpenCV camera axes (N,3,3): ``R0 Exp(K)^T``."""
    flip = view.new_tensor([1.0, -1.0, -1.0])  # R0: the world's +Y up, +Z to the camera; the camera's y down, z away
    return flip[:, None] * rotvec_to_rotmat(view).transpose(-1, -2)


def from_spherical(azimuth: Tensor, elevation: Tensor, roll: Tensor | None = None) -> Tensor:
    """Angles in radians, (N,) each -> view (N,3). ``roll`` None is zero."""
    x, y, z = torch.eye(3, dtype=azimuth.dtype, device=azimuth.device)
    turn = rotvec_to_rotmat(azimuth[:, None] * y) @ rotvec_to_rotmat(-elevation[:, None] * x)
    if roll is not None:
        turn = turn @ rotvec_to_rotmat(roll[:, None] * z)
    return rotmat_to_rotvec(turn)


def to_spherical(view: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """View (N,3) -> azimuth (-pi,pi], elevation [-pi/2,pi/2], roll (-pi,pi], radians, (N,) each.

    Straight above or below, azimuth and roll are the same turn: all of it is given to azimuth, and roll is zero.
    For reports: the gradient is not finite there.
    """
    turn = rotvec_to_rotmat(view)
    level = torch.hypot(turn[:, 0, 2], turn[:, 2, 2])  # cosine of the elevation
    pole = level < 16 * torch.finfo(view.dtype).eps
    azimuth = torch.where(pole, torch.atan2(-turn[:, 2, 0], turn[:, 0, 0]), torch.atan2(turn[:, 0, 2], turn[:, 2, 2]))
    elevation = torch.atan2(turn[:, 1, 2], level)
    roll = torch.where(pole, torch.zeros_like(level), torch.atan2(turn[:, 1, 0], turn[:, 1, 1]))
    return azimuth, elevation, roll


def leveled(view: Tensor) -> Tensor:
    """Views (N,3) without their roll. The gradient takes the roll for a constant, so it is finite at the poles too."""
    with torch.no_grad():
        _, _, roll = to_spherical(view)
        back = rotvec_to_rotmat(-roll[:, None] * view.new_tensor([0.0, 0.0, 1.0]))
    return rotmat_to_rotvec(rotvec_to_rotmat(view) @ back)


def relative(view: Tensor, root: Tensor) -> Tensor:
    """What a camera at ``view`` (N,3) sees of a body turned by ``root`` (N,3, axis-angle, body to world).

    Returns the view (N,3) that shows the same body without its root rotation: ``Log(Exp(root)^T Exp(view))``.
    """
    return rotmat_to_rotvec(rotvec_to_rotmat(root).transpose(-1, -2) @ rotvec_to_rotmat(view))


def uniform_sphere(n: int, generator: Generator) -> Tensor:
    """n views (n,3) whose camera positions are uniform on the sphere, without roll, on the generator's device."""
    u = torch.rand(n, 2, generator=generator, device=generator.device)
    return from_spherical((2 * u[:, 0] - 1) * math.pi, torch.asin(2 * u[:, 1] - 1))
