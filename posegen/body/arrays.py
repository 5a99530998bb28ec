"""What a body is made of, in SMPL's format and checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posegen.body.joints import PARENTS
from posegen.errors import AssetError

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class BodyArrays:
    """A skinned body of V vertices with SMPL's 24 joints. Metres; +Y up, facing +Z, left = +X, any origin.

    v_template: (V,3).  shapedirs: (V,3,B), B >= 10.  posedirs: (V,3,207), or None where they are all zero.
    weights: (V,24), rows sum to 1.  J_regressor: (24,V), rows sum to 1.  faces: (F,3) integers.  parents: (24,),
    SMPL's, with -1 for the root.  source: the file's name, for error messages.

    Raises AssetError, naming the source and the array, where a shape or a value is impossible.
    """

    v_template: Array
    shapedirs: Array
    posedirs: Array | None
    weights: Array
    J_regressor: Array
    faces: Array
    parents: Array
    source: str = "body"

    def __post_init__(self) -> None:
        vertices = self.v_template.shape[0] if self.v_template.ndim else 0
        shapes: dict[str, tuple[int | None, ...]] = {
            "v_template": (vertices, 3),
            "shapedirs": (vertices, 3, None),
            "posedirs": (vertices, 3, 207),
            "weights": (vertices, 24),
            "J_regressor": (24, vertices),
            "faces": (None, 3),
            "parents": (24,),
        }
        for key, shape in shapes.items():
            array = getattr(self, key)
            if array is None and key == "posedirs":
                continue
            fits = array.ndim == len(shape) and all(
                want in (None, got) for want, got in zip(shape, array.shape, strict=True)
            )
            if not fits or (key == "shapedirs" and array.shape[2] < 10):
                wanted = "x".join("N" if n is None else str(n) for n in shape)
                self._refuse(f"'{key}' has shape {'x'.join(map(str, array.shape))} where {wanted} is needed")
            if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
                self._refuse(f"'{key}' holds values that are not finite numbers")
        if tuple(self.parents.astype(np.int64).tolist()) != PARENTS:
            self._refuse("'parents' is not SMPL's kinematic tree")
        if self.faces.size and (self.faces.min() < 0 or self.faces.max() >= vertices):
            self._refuse(f"'faces' points to vertices that do not exist (there are {vertices})")
        for key in ("weights", "J_regressor"):
            if abs(getattr(self, key).astype(np.float64).sum(axis=1) - 1).max(initial=0) > 1e-2:
                self._refuse(f"rows of '{key}' do not sum to 1")

    def _refuse(self, what: str) -> None:
        raise AssetError(f"{self.source}: {what}.", "Use an SMPL body of 24 joints, as downloaded and unedited.")
