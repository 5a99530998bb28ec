"""The light on a person: one key light and the light that comes from everywhere."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Light:
    """The light of N images. It is fixed to the camera, so that turning the body or moving the camera are one.

    direction: (N,3) towards the light, camera axes (x right, y down, z forward), any length.
    ambient: (N,) share in [0,1] of the light that comes from everywhere, a little more of it from above.
    colour: (N,3) RGB of the key light; 1 keeps a fully lit texture as it is.
    """

    direction: Tensor
    ambient: Tensor
    colour: Tensor
