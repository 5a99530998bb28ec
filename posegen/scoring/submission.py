"""AGORA's prediction zip for its server: one pickle a person, in a folder called ``predictions``.

Every value is a plain number, list or numpy array that any Python 3 with any numpy reads: arrays are pickled as a call
of ``numpy.array``, since newer numpy writes names that older ones do not have.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from posegen.files import disk_error
from posegen.scoring import agora
from posegen.scoring.meshes import Meshes
from posegen.scoring.predict import Columns
from posegen.scoring.results import FULL_SIZE


class _Portable(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        return (np.array, (value.tolist(),)) if isinstance(value, np.ndarray) else NotImplemented


def write(columns: Columns, path: Path, meshes: Meshes) -> int:
    """Write the zip and return how many people it holds.

    ``joints``: (24,2) pixels at 3840 x 2160.  ``allSmplJoints3d``: (24,3), ``verts``: (6890,3), metres, camera axes.
    Raises PosegenError when the disk is full.
    """
    seen: dict[str, int] = {}
    part = path.with_name(f".{path.name}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for row in range(len(columns["key"])):
                stem = Path(str(columns["image"][row])).stem.removesuffix("_1280x720")
                person = seen[stem] = seen.get(stem, -1) + 1
                name = f"predictions/{stem}_personId_{person}.pkl"
                archive.writestr(zipfile.ZipInfo(name), _pickled(_person(columns, row, meshes)))
        part.replace(path)
    except OSError as error:
        raise disk_error(path, error) from error
    finally:
        part.unlink(missing_ok=True)
    return len(columns["key"])


def _person(columns: Columns, row: int, meshes: Meshes) -> dict[str, Any]:
    pose, betas = (torch.from_numpy(columns[name][[row]]) for name in ("pose", "betas"))
    vertices, joints = (points[0].numpy().astype(np.float64) for points in meshes.body("neutral").posed(pose, betas))
    scale = FULL_SIZE / float(columns["size"][row, 0])
    return {
        "joints": agora.placed(joints, columns["box"][row].astype(np.float64) * scale),
        "allSmplJoints3d": joints,
        "verts": vertices,
        "gender": "neutral",
        "age": "adult",  # the documents' name for what the tool reads as kid_flag
        "kid_flag": False,
    }


def _pickled(value: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    _Portable(out, protocol=2).dump(value)
    return out.getvalue()
