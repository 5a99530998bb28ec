"""Where a box lies in the whole picture, and the camera of the whole picture (Li et al. 2022, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor

# mean and standard deviation of the boxes' height over the focal length on Human3.6M; the centre's scale is 1 / 2.8
MEAN, STD, CENTRE = 0.24, 0.06, 2.8


def default_focal(picture: Tensor) -> Tensor:
    """Focal length (N,) in pixels that is assumed for pictures of (N,2) width, height: their diagonal."""
    focal: Tensor = torch.linalg.vector_norm(picture, dim=1)
    return focal


def box_info(centre: Tensor, height: Tensor, picture: Tensor, focal: Tensor) -> Tensor:
    """What CLIFF is told about the box -> (N,3): its centre's angle off the optical axis, and its size.

    centre (N,2), height (N,) of the crop, picture (N,2) width and height, focal (N,): pixels.  Zero stands for a person
    of ordinary size in the middle of the picture.
    """
    off_axis = (centre - picture / 2) * CENTRE / focal[:, None]
    size = (height / focal - MEAN) / STD
    return torch.cat([off_axis, size[:, None]], dim=1)


def full_camera(camera: Tensor, centre: Tensor, height: Tensor, picture: Tensor, focal: Tensor) -> Tensor:
    """The network's camera (N,3) s, tx, ty of the crop -> translation (N,3) of the body, metres, axes of the whole
    picture's camera, whose principal point is the picture's middle. The other arguments are those of ``box_info``."""
    scale, shift = camera[:, 0], camera[:, 1:]
    size = height * scale + 1e-9
    moved = shift + 2 * (centre - picture / 2) / size[:, None]
    return torch.cat([moved, (2 * focal / size)[:, None]], dim=1)
