"""The body: SMPL's skeleton and skin with one fixed shape. The only file that imports smplx, and only for vertices."""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from posegen.body.arrays import BodyArrays
from posegen.body.joints import JOINT_SETS
from posegen.body.kinematics import forward_kinematics, skinning_transforms
from posegen.body.refit import refit
from posegen.body.regress import Matrix, Regressors
from posegen.errors import UsageError, nearest
from posegen.geometry import rotvec_to_rotmat, view_rotation
from posegen.types import JointSet


class Body:
    """A skinned body (SMPL, Loper et al. 2015) whose pelvis joint is always the origin.

    Immutable: ``to`` returns another. theta is the pose (N,23,3), axis-angle, without root rotation.

    faces: (F,3).  rest_joints: (24,3) and rest_vertices: (V,3), metres, in the rest pose of this shape.
    """

    def __init__(
        self,
        arrays: BodyArrays,
        betas: Sequence[float] | Tensor | None,
        regressors: Regressors,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        shape = np.zeros(10) if betas is None else torch.as_tensor(betas, dtype=torch.float64).cpu().numpy()
        if shape.shape != (10,) or not np.isfinite(shape).all():
            raise UsageError(f"betas of shape {tuple(shape.shape)} are not 10 finite numbers.", "Give 10 numbers.")
        self.arrays, self.device, self.dtype = arrays, device, dtype
        self._shape, self._regressors = shape, regressors
        vertices = arrays.v_template + arrays.shapedirs[..., :10].astype(np.float64) @ shape
        joints = arrays.J_regressor.astype(np.float64) @ vertices
        self._rest = joints - joints[0], vertices - joints[0]  # kept in float64 for what is derived from them
        self.rest_joints, self.rest_vertices = self._tensor(self._rest[0]), self._tensor(self._rest[1])
        self.betas = self._tensor(shape)
        self.faces = torch.as_tensor(arrays.faces.astype(np.int64), device=device)
        self._points: dict[str, tuple[Tensor, Tensor | None]] = {}
        self._smplx: Any = None

    @classmethod
    def from_arrays(
        cls,
        arrays: BodyArrays,
        betas: Sequence[float] | Tensor | None = None,
        landmarks: Mapping[str, Sequence[int]] | None = None,
        regressors: Mapping[str, Any] | None = None,
    ) -> Body:
        """betas: 10 numbers, None is the mean shape.  landmarks: name -> vertices whose mean it is.

        regressors: joint set -> (J,V) matrix, rows in that set's order; they come before landmarks.
        The body is on the cpu, in float32: see ``to``. Raises UsageError for betas or regressors that cannot be used.
        """
        known = Regressors(len(arrays.v_template), landmarks or {}, regressors or {})
        return cls(arrays, betas, known, torch.device("cpu"), torch.float32)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Body:
        """The same body on another device or in another float type."""
        device, dtype = torch.device(device or self.device), dtype or self.dtype
        if (device, dtype) == (self.device, self.dtype):
            return self
        return Body(self.arrays, torch.from_numpy(self._shape), self._regressors, device, dtype)

    def on_joints(self, joints: Tensor) -> Body:
        """This body carried onto other rest joints (24,3) metres, its skin with them; the nearest shape's build.

        For a subject whose skeleton is known and whose betas are not.
        """
        arrays = refit(self.arrays, joints.detach().double().cpu().numpy())
        return Body(arrays, None, self._regressors, self.device, self.dtype)

    @property
    def joint_sets(self) -> tuple[str, ...]:
        """The joint sets that this body can give."""
        return tuple(name for name in JOINT_SETS if self._regressors.gives(name))

    def joint_set(self, name: str) -> JointSet:
        """The joint set of that name. Raises UsageError where this body cannot give it."""
        if name not in JOINT_SETS:
            hint = nearest(name, tuple(JOINT_SETS)) or f"known: {', '.join(JOINT_SETS)}"
            raise UsageError(f"There is no joint set '{name}'.", hint)
        if not self._regressors.gives(name):
            raise UsageError(
                f"The body of {self.arrays.source} cannot give the joint set '{name}': "
                "it has neither a regressor nor landmarks for it.",
                f"Register a regressor for '{name}', or use one of: {', '.join(self.joint_sets)}.",
            )
        return JOINT_SETS[name]

    def frames(self, pose: Tensor) -> Tensor:
        """theta (N,23,3) -> frames (N,24,4,4): bone axes to the world; their translations are smpl24's joints."""
        return forward_kinematics(self._rotations(pose), self.rest_joints)

    def transforms(self, pose: Tensor) -> Tensor:
        """theta (N,23,3) -> (N,24,4,4) that carry rest points (``rest_vertices``' axes) into the pose; see ``skin``."""
        return skinning_transforms(self.frames(pose), self.rest_joints)

    def joints(self, pose: Tensor, view: Tensor | None = None, joint_set: str = "smpl24") -> Tensor:
        """theta (N,23,3) -> joints (N,J,3) in metres, the pelvis joint at the origin.

        World axes, or those of the camera at ``view`` (N,3): turned, not moved. Raises UsageError for a joint set that
        this body cannot give.
        """
        points, pose_points = self._points_of(joint_set)
        rotations = self._rotations(pose)
        transforms = skinning_transforms(forward_kinematics(rotations, self.rest_joints), self.rest_joints)
        if pose_points is not None:
            feature = (rotations[:, 1:] - torch.eye(3, dtype=self.dtype, device=self.device)).flatten(1)
            points = points + F.pad((feature @ pose_points).reshape(len(pose), *points.shape[:2], 3), (0, 1))
        out = points.flatten(-2) @ transforms[:, :, :3].transpose(2, 3).flatten(1, 2)
        return out if view is None else out @ view_rotation(view).transpose(1, 2)

    def vertices(self, pose: Tensor) -> Tensor:
        """theta (N,23,3) -> vertices (N,V,3) in metres, by ``smplx.SMPL`` (its licence is non-commercial)."""
        if self._smplx is None:
            self._smplx = _smplx_model(self.arrays, self.dtype).to(self.device)
        rotations = self._rotations(pose)
        betas = self.betas.expand(len(pose), -1)
        out = self._smplx(betas=betas, global_orient=rotations[:, :1], body_pose=rotations[:, 1:], pose2rot=False)
        vertices: Tensor = out.vertices - out.joints[:, :1]
        return vertices

    def _rotations(self, pose: Tensor) -> Tensor:
        turns = rotvec_to_rotmat(pose)
        root = torch.eye(3, dtype=turns.dtype, device=turns.device).expand(len(pose), 1, 3, 3)
        return torch.cat([root, turns], dim=1)

    def _tensor(self, array: Matrix) -> Tensor:
        return torch.tensor(array, dtype=self.dtype, device=self.device)

    def _points_of(self, name: str) -> tuple[Tensor, Tensor | None]:
        """The joint set's points in each bone's share: (J,24,4), and (207, J*24*3) where pose moves the skin.

        Skinning is linear in the vertices, so a regressed joint ``sum_v r_v sum_k w_vk T_k [v;1]`` is
        ``sum_k T_k (sum_v r_v w_vk [v;1])``: the inner sum is fixed, and no vertex needs to be skinned.
        """
        if name not in self._points:
            self.joint_set(name)
            self._points[name] = self._make_points(name)
        return self._points[name]

    def _make_points(self, name: str) -> tuple[Tensor, Tensor | None]:
        joints, vertices = (np.append(rest, np.ones((len(rest), 1)), axis=1) for rest in self._rest)
        skeleton, surface = self._regressors.weights(name)
        touched = np.flatnonzero(surface.any(axis=0))
        share = surface[:, touched, None] * self.arrays.weights[touched].astype(np.float64)  # (J,M,24)
        points = np.einsum("jmk,mb->jkb", share, vertices[touched]) + skeleton[..., None] * joints
        if self.arrays.posedirs is None or not self.arrays.posedirs[touched].any():
            return self._tensor(points), None
        moved = np.einsum("jmk,mbp->pjkb", share, self.arrays.posedirs[touched].astype(np.float64))
        return self._tensor(points), self._tensor(moved.reshape(len(moved), -1))


def _smplx_model(arrays: BodyArrays, dtype: torch.dtype) -> Any:
    import smplx

    posedirs = np.zeros((len(arrays.v_template), 3, 207), np.float32) if arrays.posedirs is None else arrays.posedirs
    fields = {
        "v_template": arrays.v_template,
        "shapedirs": arrays.shapedirs[..., :10],
        "posedirs": posedirs,
        "J_regressor": arrays.J_regressor,
        "weights": arrays.weights,
        "kintree_table": np.stack([arrays.parents.astype(np.int64), np.arange(24)]),
        "f": arrays.faces.astype(np.int64),
    }
    with contextlib.redirect_stdout(io.StringIO()):  # it prints that there are "only 10 shape coefficients"
        return smplx.SMPL(
            "",
            data_struct=SimpleNamespace(**fields),
            create_betas=False,
            create_global_orient=False,
            create_body_pose=False,
            create_transl=False,
            vertex_ids=defaultdict(int),  # its 21 extra points are vertex numbers of SMPL's mesh alone, and unused here
            dtype=dtype,
        )
