"""What is true of generated pictures, in the joints that other projects' files have."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray

from posegen.body import JOINT_SETS, Body
from posegen.datasets.generated import Samples
from posegen.errors import UsageError
from posegen.geometry import rotmat_to_rotvec
from posegen.geometry.viewpoint import view_rotation

JOINTS = JOINT_SETS["spin24"]
SOURCES = ("coco17", "lsp14")  # whose joints have the same names and places; the later goes before the earlier
MARGIN = 1.2  # of a crop around a person's box, in all these files

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class People:
    """N drawn people, one in each picture.

    image: (N,) names.  box: (N,4) x0,y0,x1,y1 pixels, tight around the person.  pose: (N,24,3) SMPL's axis-angle, the
    root in camera axes.  joints: (N,24,4) of ``spin24``, metres from the pelvis in camera axes, and 1 where they are
    known.  points: (N,24,3) the same in the picture, pixels, and 1 where they are known and in it.
    """

    image: NDArray[np.str_]
    box: Array
    pose: Array
    joints: Array
    points: Array

    def __len__(self) -> int:
        return len(self.image)

    @property
    def centre(self) -> Array:
        """Of the box, (N,2) pixels."""
        return np.asarray((self.box[:, :2] + self.box[:, 2:]) / 2, dtype=np.float32)

    @property
    def side(self) -> Array:
        """Of the crop that the files mean, (N,) pixels."""
        return np.asarray(MARGIN * (self.box[:, 2:] - self.box[:, :2]).max(1), dtype=np.float32)


def check_joints(body: Body) -> None:
    """Raises UsageError for a body with none of the joints that these files have."""
    if not any(source in body.joint_sets for source in SOURCES):
        raise UsageError(
            f"the body of {body.arrays.source} gives neither {' nor '.join(SOURCES)}, the joints of these files",
            "draw people of the open body: a subject that was fitted with betas, or a starter subject",
        )


def people(samples: Samples, body: Body, images: list[str]) -> People:
    """Samples of one person, whose body ``check_joints`` passes, and where their pictures are."""
    theta, view, n = samples.theta, samples.view, len(samples)
    joints, known = torch.zeros(n, len(JOINTS), 3), torch.zeros(len(JOINTS), dtype=torch.bool)
    for name in (source for source in SOURCES if source in body.joint_sets):
        there = [JOINTS.joints.index(joint) for joint in JOINT_SETS[name].joints]
        joints[:, there] = body.joints(theta.to(body.device), view.to(body.device), name).cpu()
        known[there] = True
    pixels = (joints + samples.pelvis[:, None]) @ samples.intrinsics.transpose(-1, -2)
    points = pixels[..., :2] / pixels[..., 2:]
    side = torch.tensor(samples.image.shape[:-3:-1])
    seen = known & (points >= 0).all(-1) & (points <= side).all(-1)
    root = rotmat_to_rotvec(view_rotation(view))
    return People(
        image=np.array(images),
        box=samples.box.numpy(),
        pose=torch.cat([root[:, None], theta], dim=1).numpy(),
        joints=torch.cat([joints, known.expand(n, -1)[..., None].float()], dim=-1).numpy(),
        points=torch.cat([points, seen[..., None].float()], dim=-1).numpy(),
    )


def together(parts: list[People]) -> People:
    """In the order of their pictures."""
    whole = People(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(People)))
    order = np.argsort(whole.image, kind="stable")
    return People(*(getattr(whole, field.name)[order] for field in fields(People)))
