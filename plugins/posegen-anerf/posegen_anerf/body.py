"""The body that a subject hangs on: labels come from it, so its joints are exactly the subject's."""

from __future__ import annotations

import numpy as np
import torch
from posegen_starter.body import OpenBody
from torch import Tensor

from posegen.assets import find, registered
from posegen.body import PARENTS, Body, BodyArrays, load_body
from posegen.errors import AssetError
from posegen_anerf.subject import NerfSubject

SMPL = "smpl-neutral"
TOLERANCE = 1e-3
"""Metres by which a body's joints may lie from those that its subject was fitted with."""


def body_of(subject: NerfSubject, name: str, device: torch.device) -> Body:
    """The open body of the subject's shape; SMPL moved onto the subject's joints, where the user has registered it; or
    a skeleton, which gives ``smpl24`` but no joint that needs a skin.

    name: of the subject, for messages. Raises AssetError where the open body is not the one it was fitted on.
    """
    rest = (subject.rest_joints - subject.rest_joints[0]).cpu()
    if subject.body == "open":
        betas = None if subject.betas is None else subject.betas.tolist()
        body = OpenBody(OpenBody.Options(), device=device).body(betas)
        distance = float((body.rest_joints.cpu() - rest).norm(dim=-1).max())
        if not distance < TOLERANCE:
            raise AssetError(
                f"the joints of subject '{name}' lie {1000 * distance:.1f} mm from those of the open body",
                "fit it again, or install the posegen-starter that it was fitted with",
            )
        return body
    if subject.body == "smpl" and SMPL in registered():
        return load_body(find(SMPL)).on_joints(rest).to(device)
    return skeleton(rest, name).to(device)


def skeleton(rest: Tensor, name: str) -> Body:
    """A body without a skin: its 24 vertices are its joints (24,3)."""
    one = np.eye(24)
    arrays = BodyArrays(
        v_template=rest.double().numpy(),
        shapedirs=np.zeros((24, 3, 10)),
        posedirs=None,
        weights=one,
        J_regressor=one,
        faces=np.zeros((0, 3), np.int64),
        parents=np.asarray(PARENTS),
        source=f"subject '{name}' (joints alone; a skin needs: posegen assets set {SMPL} PATH)",
    )
    return Body.from_arrays(arrays)
