"""Rotations, viewpoints, cameras, crops and similarity alignment: batched, differentiable, on any device."""

from __future__ import annotations

from posegen.geometry.camera import CHEST_HEIGHT, distances, frame, orbit
from posegen.geometry.crop import box_from_alpha, resample, shown, square
from posegen.geometry.procrustes import align, similarity
from posegen.geometry.rotation import roll_to_rotmat, rot6d_to_rotmat, rotmat_to_rotvec, rotvec_to_rotmat
from posegen.geometry.viewpoint import from_spherical, leveled, relative, to_spherical, uniform_sphere, view_rotation

__all__ = [
    "CHEST_HEIGHT",
    "align",
    "box_from_alpha",
    "distances",
    "frame",
    "from_spherical",
    "leveled",
    "orbit",
    "relative",
    "resample",
    "roll_to_rotmat",
    "rot6d_to_rotmat",
    "rotmat_to_rotvec",
    "rotvec_to_rotmat",
    "shown",
    "similarity",
    "square",
    "to_spherical",
    "uniform_sphere",
    "view_rotation",
]
