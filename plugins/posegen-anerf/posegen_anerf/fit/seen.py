"""Whether the cameras see the person where the masks do."""

from __future__ import annotations

import torch
from torch import Tensor

from posegen.errors import AssetError
from posegen.types import Views
from posegen_anerf.skeleton import FLIP, UNIT, joints_of

_JOINTS = 6  # of the 24: a close-up may show no more
_SPAN = 0.1  # of the mask's, which the joints have at the least


def check_cameras(views: Views, skts: Tensor) -> None:
    """Raises AssetError if the joints lie elsewhere than the masks in most images to learn from. skts: (P,24,4,4).

    An image passes if six joints are in front of its camera and in its mask's box, grown by its longer side all around,
    and if all of them span a tenth of that side.
    """
    low, high = _boxes(views.masks)
    shown = (~views.held_out & (low < high).all(1)).nonzero()[:, 0]
    camera, joints = views.cameras[shown], (joints_of(skts) * skts.new_tensor(FLIP) / UNIT)[views.pose_index[shown]]
    pixel, ahead = camera.project(joints), camera.to_camera(joints)[..., 2] > 0
    low, high = low[shown, None], high[shown, None]
    side = (high - low).amax(2, keepdim=True)
    inside = ((pixel > low - side) & (pixel < high + side)).all(2) & ahead
    span = (pixel.amax(1) - pixel.amin(1)).amax(1)
    wrong = shown[(inside.sum(1) < _JOINTS) | (span < _SPAN * side[:, 0, 0])]
    if 2 * len(wrong) > len(shown):
        raise AssetError(
            f"the joints of {len(wrong)} of {len(shown)} images lie outside their masks, or are far too small for them "
            f"(first: {views.names[int(wrong[0])]})",
            "cameras are OpenCV's, in metres, and so is the world of 'pelvis': see docs/fit.md",
        )


def _boxes(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Masks (N,H,W) -> corners (N,2) and (N,2) of the boxes around what they show, pixels; of nothing low > high."""
    low, high = [], []
    for across in (1, 2):
        person = masks.amax(across) > 127
        place = torch.arange(person.shape[1])
        low.append(torch.where(person, place, person.shape[1]).amin(1))
        high.append(torch.where(person, place + 1, 0).amax(1))
    return torch.stack(low, 1), torch.stack(high, 1)
