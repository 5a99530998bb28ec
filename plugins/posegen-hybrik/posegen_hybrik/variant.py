"""The variants of HybrIK, and how a checkpoint's shapes tell which one it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Variant:
    """What distinguishes the networks.

    joints: 24, or 29 with leaves.  camera: numbers that the camera head gives: 3 (scale and shift), 1 (scale) or 0,
    with which the root's depth must be known.  sigma: a head says how uncertain each joint is.  blocks, width, deconv,
    deconvs, hidden: the ResNet's, its deconvolutions' and its regressor's sizes.  depth: slices of a heatmap.
    size: pixels of the crop.  smpl: the network carries SMPL's arrays, not its skeleton alone.
    dropout: of the regressor; none where the pictures are never known by heart.
    """

    name: str
    backbone: Literal["resnet", "hrnet"] = "resnet"
    joints: int = 29
    camera: int = 3
    sigma: bool = True
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    width: int = 64
    deconv: int = 256
    deconvs: int = 3
    hidden: int = 1024
    depth: int = 64
    size: int = 256
    smpl: bool = True
    dropout: float = 0.5

    @property
    def depth_factor(self) -> float:
        """Metres from the front to the back of a heatmap."""
        return 2.2 if self.camera else 2.0


RES34 = Variant("res34", camera=0, sigma=False)
RES34_24 = replace(RES34, name="res34-24", joints=24)
RES34_CAM = Variant("res34-cam")
HRNET48_CAM = Variant("hrnet48-cam", backbone="hrnet", width=48, camera=1)
COMPACT = Variant(
    "open-compact",
    camera=1,
    blocks=(2, 2, 2, 2),
    width=32,
    deconv=96,
    deconvs=2,
    hidden=256,
    depth=16,
    size=128,
    sigma=False,
    smpl=False,
    dropout=0.0,
)


def recognise(state: Mapping[str, Tensor]) -> Variant:
    """The variant that a state dict holds, by its shapes; where it is none, comparing it with any tells why."""
    if any(name.startswith("preact.stage4.") for name in state):
        return HRNET48_CAM
    first = state.get("preact.conv1.weight")
    if first is not None and first.shape[:1] == (COMPACT.width,):
        return COMPACT
    if "decleaf.weight" in state:
        return RES34_24
    if "deccam.weight" not in state:
        return RES34
    return replace(RES34_CAM, sigma="decsigma.weight" in state)  # the released file lacks it
