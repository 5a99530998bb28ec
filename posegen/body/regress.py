"""How a joint set is taken from a body: from its skeleton, its landmark vertices, or a regressor matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posegen.body.joints import FROM_H36M, JOINT_SETS, SOURCES
from posegen.errors import AssetError, UsageError, nearest

Matrix = NDArray[np.float64]
_BONES = JOINT_SETS["smpl24"].joints


class Regressors:
    """The joint sets that a body of V vertices can give.

    landmarks: name -> vertices whose mean it is.  matrices: joint set -> (J,V), rows in that set's order; they come
    before landmarks, and the sets of ``FROM_H36M`` may come from the rows of ``h36m17``.
    Raises UsageError for a matrix of an unknown joint set or of another mesh, AssetError for such a landmark.
    """

    def __init__(self, vertices: int, landmarks: Mapping[str, Sequence[int]], matrices: Mapping[str, Any]) -> None:
        self.vertices, self.landmarks = vertices, dict(landmarks)
        self.matrices: dict[str, Matrix] = {}
        for name, ids in landmarks.items():
            if not ids or not all(0 <= i < vertices for i in ids):
                raise AssetError(f"The landmark '{name}' has no vertex in this mesh of {vertices}.", "Wrong mesh?")
        for name, given in matrices.items():
            if name not in JOINT_SETS:
                raise UsageError(f"There is no joint set '{name}' to regress.", nearest(name, tuple(JOINT_SETS)))
            matrix, shape = np.asarray(given, dtype=np.float64), (len(JOINT_SETS[name]), vertices)
            if matrix.shape != shape:
                raise UsageError(f"The regressor of '{name}' has shape {matrix.shape}; this body needs {shape}.")
            self.matrices[name] = matrix
        if "h36m17" in self.matrices:
            for name, rows in FROM_H36M.items():
                self.matrices.setdefault(name, self.matrices["h36m17"][list(rows)])

    def gives(self, name: str) -> bool:
        """Whether the joint set ``name`` (a known one) can be taken."""
        known = {*_BONES, *self.landmarks}
        parts = (part for joint in JOINT_SETS[name].joints for part in _parts(name, joint))
        return name in self.matrices or all(part in known for part in parts)

    def weights(self, name: str) -> tuple[Matrix, Matrix]:
        """The joints of ``name`` as weights over the skeleton (J,24) plus weights over the vertices (J,V)."""
        joints = JOINT_SETS[name].joints
        skeleton = np.zeros((len(joints), len(_BONES)))
        if name in self.matrices:
            return skeleton, self.matrices[name]
        surface = np.zeros((len(joints), self.vertices))
        for j, joint in enumerate(joints):
            parts = _parts(name, joint)
            for part in parts:
                if part in _BONES:
                    skeleton[j, _BONES.index(part)] += 1 / len(parts)
                else:
                    ids = list(self.landmarks[part])
                    np.add.at(surface[j], ids, 1 / len(ids) / len(parts))
        return skeleton, surface


def _parts(name: str, joint: str) -> tuple[str, ...]:
    return SOURCES.get(name, {}).get(joint, (joint,))
