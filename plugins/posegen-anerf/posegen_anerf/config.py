"""What a field is made of, and the published configurations."""

from __future__ import annotations

from pydantic import Field

import posegen


class FieldConfig(posegen.Options):
    """One A-NeRF (Su et al. 2021). The defaults are the published ``surreal.txt``."""

    width: int = Field(default=256, ge=1, le=4096)
    """Units of each layer of the trunk."""
    depth: int = Field(default=8, ge=2, le=64)
    """Layers of the trunk."""
    skip: int = Field(default=4, ge=0)
    """After this layer (from 0) the input is concatenated in front of the hidden units; after the last: nowhere."""
    view_width: int = Field(default=128, ge=1, le=4096)
    """Units of the layer that sees the direction of view."""
    multires: int = Field(default=7, ge=0, le=16)
    """Frequencies 2^0 .. of the distances to the joints."""
    multires_views: int = Field(default=4, ge=0, le=16)
    """Frequencies of the direction of view; 0 gives it raw."""
    cutoff: float = Field(default=0.5, gt=0)
    """Distance from a joint, in NeRF units, at which its influence ends."""
    framecode_size: int = Field(default=0, ge=0, le=4096)
    """Length of a frame's code; 0: no codes."""
    framecodes: int = Field(default=0, ge=0, le=10_000_000)
    """How many frames have a code."""
    single: bool = False
    """One network serves both passes, and the second evaluates only its own samples."""
    samples: int = Field(default=64, ge=4)
    """Samples of the first pass on a ray (reference march)."""
    importance: int = Field(default=16, ge=1)
    """Samples that the second pass adds (reference march)."""
    density_scale: float = Field(default=1.0, gt=0)
    """Densities are divided by this (B in the official code)."""

    @property
    def point_size(self) -> int:
        """Numbers that the trunk sees of a point: distances at each frequency and directions, of 24 joints."""
        return 24 * (1 + 2 * self.multires) + 72

    @property
    def view_size(self) -> int:
        """Numbers that the colour layer sees of the direction of view."""
        return 72 * (1 + 2 * self.multires_views)


PRESETS = {
    "surreal": FieldConfig(),
    "surreal_single": FieldConfig(single=True, multires_views=0, samples=96, importance=48),
}
"""The published configurations of networks without codes of frames."""
