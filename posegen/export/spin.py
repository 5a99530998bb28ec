"""An npz as SPIN's ``datasets/base_dataset.py`` reads it (PARE too)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from posegen.export.people import People

UNIT = 200  # pixels of one of ``scale``


def columns(people: People) -> dict[str, NDArray[Any]]:
    """Its keys. ``has_smpl`` is 0: it says of pose and shape together that they are true, and no shape of SMPL's is."""
    n = len(people)
    return {
        "imgname": people.image,
        "center": people.centre,
        "scale": people.side / UNIT,
        "pose": people.pose.reshape(n, 72),
        "shape": np.zeros((n, 10), np.float32),
        "has_smpl": np.zeros(n, np.uint8),
        "part": people.points,
        "S": people.joints,
    }


def fits(people: People) -> NDArray[np.float32]:
    """(N,82) float32, pose and shape: the fits that SPIN's training starts from, ``static_fits/NAME_fits.npy``."""
    own = columns(people)
    return np.concatenate([own["pose"], own["shape"]], axis=1).astype(np.float32)
