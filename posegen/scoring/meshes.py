"""SMPL's meshes and the H36M regressor: the licensed files that some protocols take their joints from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from posegen import assets
from posegen.body import Body
from posegen.body.joints import FROM_H36M
from posegen.body.official import read_smpl
from posegen.body.shaped import ShapedBody, global_rotations
from posegen.errors import AssetError
from posegen.scoring.protocols import Side

NEUTRAL = "smpl-neutral"
REGRESSOR = "h36m-regressor"
BODY_VERTICES = "agora-body-vertices"
VERTICES = 6890  # of SMPL's mesh
LEFT_FIRST = "Use J_regressor_h36m.npy of SPIN's data: other files order the legs differently."


class Meshes:
    """People as SMPL's meshes have them. Files are looked up among the registered assets when first needed.

    carried: the neutral SMPL that an estimator's weights carry; it stands in for a file that is not registered.
    Raises AssetError, with the command that registers it, for a file that is not registered or cannot be used.
    """

    def __init__(self, carried: Body | None = None) -> None:
        self._carried = carried
        self._bodies: dict[str, ShapedBody] = {}
        self._regressor: Tensor | None = None

    def side(
        self,
        joint_set: str,
        pose: Tensor,
        betas: Tensor,
        genders: Sequence[str] | None = None,
    ) -> Side:
        """Poses (N,24,3) axis-angle, root first, and betas (N,10) -> joints, vertices and global rotations.

        joint_set: ``smpl24``, or one that is regressed with H36M's regressor.  genders: neutral without.
        """
        genders = genders or ["neutral"] * len(pose)
        joints = [torch.empty(0)] * len(pose)
        meshes = [torch.empty(0)] * len(pose)
        for gender in sorted(set(genders)):
            of = [i for i, g in enumerate(genders) if g == gender]
            mesh, skeleton = self.body(gender).posed(pose[of], betas[of])
            points = skeleton if joint_set == "smpl24" else self.regress(joint_set, mesh)
            for i, j, m in zip(of, points, mesh, strict=True):
                joints[i], meshes[i] = j, m
        return Side(torch.stack(joints), torch.stack(meshes), global_rotations(pose))

    def beside(self, joints: Tensor | None, pose: Tensor, betas: Tensor) -> Side:
        """AGORA's side: joints smpl24 (N,24,3), and the vertices of the neutral mesh with its pelvis at theirs.

        joints: the mesh's own without.  Vertices are those that AGORA counts, where their list is registered.
        """
        vertices, own = self.body("neutral").posed(pose, betas)
        joints = own if joints is None else joints
        counted = vertices if self.counted is None else vertices[:, self.counted]
        return Side(joints, counted + (joints - own)[:, :1], global_rotations(pose))

    @cached_property
    def counted(self) -> list[int] | None:
        """The vertices of AGORA's MVE, None for all."""
        return body_vertices()

    @property
    def has_neutral(self) -> bool:
        """Whether the neutral body is there."""
        return self._carried is not None or NEUTRAL in assets.registered()

    def body(self, gender: str) -> ShapedBody:
        """The SMPL model of ``male``, ``female`` or ``neutral``."""
        if gender not in self._bodies:
            name = f"smpl-{gender}"
            carried = self._carried if name == NEUTRAL and name not in assets.registered() else None
            self._bodies[gender] = ShapedBody(read_smpl(assets.find(name)) if carried is None else carried.arrays)
        return self._bodies[gender]

    def regress(self, joint_set: str, mesh: Tensor) -> Tensor:
        """Vertices (N,6890,3) -> joints of ``h36m17``, or of a set that is taken from its rows."""
        if self._regressor is None:
            self._regressor = read_regressor(assets.find(REGRESSOR))
        if self._regressor.shape[1] != mesh.shape[1]:
            raise AssetError(
                f"{assets.find(REGRESSOR)} is of {self._regressor.shape[1]} vertices, the body has {mesh.shape[1]}",
                f"posegen assets set {REGRESSOR} PATH",
            )
        joints = self._regressor @ mesh
        return joints if joint_set == "h36m17" else joints[:, list(FROM_H36M[joint_set])]

    def check_order(self) -> None:
        """Raises AssetError for a regressor whose second row is no left hip: the worst trap of the two H36M orders."""
        body = self.body("neutral")
        hips = self.regress("h36m17", body.template[None])[0, [1, 4], 0]
        if hips[0] <= hips[1]:
            raise AssetError(f"{assets.find(REGRESSOR)} has the right leg first", LEFT_FIRST)


def read_regressor(path: Path) -> Tensor:
    """A (17,V) regressor of Human3.6M's joints, float32. Raises AssetError naming the file."""
    try:
        matrix = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise AssetError(f"{path} cannot be read: {error}", f"posegen assets set {REGRESSOR} PATH") from error
    usable = isinstance(matrix, np.ndarray) and matrix.ndim == 2 and matrix.dtype.kind == "f" and len(matrix) == 17
    if not usable or not np.isfinite(matrix).all() or abs(matrix.sum(axis=1) - 1).max() > 1e-2:
        raise AssetError(f"{path} is no matrix of 17 rows of weights that sum to 1", LEFT_FIRST)
    return torch.from_numpy(np.ascontiguousarray(matrix, dtype=np.float32))


def body_vertices() -> list[int] | None:
    """The vertices of AGORA's MVE (``body_verts_smpl.npy``), or None where they are not registered: then all count."""
    if BODY_VERTICES not in assets.registered():
        return None
    path = assets.find(BODY_VERTICES)
    try:
        ids = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise AssetError(f"{path} cannot be read: {error}", f"posegen assets set {BODY_VERTICES} PATH") from error
    vertices = ids.ravel().tolist() if isinstance(ids, np.ndarray) and ids.dtype.kind in "iu" else []
    if not vertices or len(set(vertices) & set(range(VERTICES))) != len(vertices):
        what = f"{path} is no list of some of SMPL's {VERTICES:,} vertices, each named once"
        raise AssetError(what, f"posegen assets set {BODY_VERTICES} PATH")
    return vertices
