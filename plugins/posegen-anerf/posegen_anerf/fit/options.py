"""What a fit can be told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

import posegen
from posegen.options import Person, Seed


class FitOptions(posegen.Options):
    """How a field is learned from images. Defaults give a good person in under an hour on two cores."""

    width: PositiveInt = 192
    """Units of each layer of the trunk. Official: 256."""
    depth: int = Field(default=6, ge=2, le=64)
    """Layers of the trunk. Official: 8."""
    skip: NonNegativeInt = 3
    """After this layer (from 0) the input is given once more; the last or beyond: nowhere. Official: 4."""
    view_width: PositiveInt = 96
    """Units of the layer that sees the direction of view. Official: 128."""
    multires: NonNegativeInt = 7
    """Frequencies of the distances to the joints. Official: 7."""
    multires_views: NonNegativeInt = 0
    """Frequencies of the direction of view; 0 is raw (official surreal_single), 4 official surreal."""
    direction: PositiveFloat = 4.0
    """First weights of the directions to the joints, as a factor of nn.Linear's: they have no frequencies of their own,
    and what turns around a bone would be learned last. Official: 1."""
    cutoff: PositiveFloat = 0.5
    """Distance from a joint, in NeRF units, at which its influence ends."""
    tau: tuple[PositiveFloat, PositiveFloat] = (20.0, 80.0)
    """Sharpness of the cutoff at the first and at the last iteration; it grows exponentially."""
    framecode: NonNegativeInt = 0
    """Length of a code of each image, for light that changes from one to the next. Official: 16 (h36m, mixamo)."""

    start: Person | None = None
    """A person to go on from, in place of random weights: whatever ``renderer.subject`` takes, built as the options
    above say. ``tau`` is at its end from the first step."""
    iterations: PositiveInt = 10_000
    """Steps of the optimiser."""
    images: PositiveInt = 32
    """Images in a step."""
    rays: PositiveInt = 32
    """Rays of each of them."""
    step: PositiveFloat = 0.03
    """Length of a bin along a ray, NeRF units (17 mm); each holds one sample, at a random place in it."""
    margin: NonNegativeFloat = 0.03
    """NeRF units by which the capsules around the bones, grown to hold the masks, are larger still."""
    loss: Literal["l1", "mse"] = "mse"
    """Distance of colours. Eq 11 and mixamo, h36m: l1; surreal: mse."""
    lr: PositiveFloat = 0.01
    """Learning rate at the start of the layers between, which Muon trains."""
    adam_lr: PositiveFloat = 2e-3
    """Learning rate at the start of all else: biases, the layers that say density and colour, codes."""
    lr_end: PositiveFloat = 0.03
    """What is left of both at the end, as a factor; they fall exponentially."""
    mask: NonNegativeFloat = 0.1
    """Weight of the squared difference of opacity and mask."""
    empty: NonNegativeFloat = 0.01
    """Weight of the density where masks or capsules say that nothing is: it keeps floaters away."""
    noise: NonNegativeFloat = 1.0
    """Standard deviation of what is added to raw densities: it keeps relu from dying. Falls to 0 at half-way."""
    threshold: NonNegativeFloat = 1e-3
    """Samples of less weight get no gradient; 0: all do."""

    poses: bool = False
    """Refine the poses, which then need only be estimates (Eq 11)."""
    pose_lr: PositiveFloat = 5e-4
    """Adam's learning rate of the poses."""
    pose_every: PositiveInt = 20
    """Iterations between two steps of the poses, which add up their gradients. Official: 20 mixamo, 50 h36m."""
    pose_weight: NonNegativeFloat = 2.0
    """Weight of the distance to the given poses beyond the tolerance (lambda_theta)."""
    pose_tolerance: NonNegativeFloat = 0.01
    """Squared difference of an entry of the rotations that costs nothing."""
    smooth: NonNegativeFloat = 0.0
    """Weight of accelerations between neighbours in time (lambda_t); 0.05 in the paper where there is video."""

    seed: Seed = 0
    """Seed of every random draw."""
    bf16: bool | None = None
    """Networks in bfloat16 while training; None: where the processor has it."""
    every: PositiveInt = 1000
    """Iterations between two measurements on held-out images, and between two files to resume from."""
    patience: NonNegativeInt = 0
    """Measurements without a better PSNR after which the fit stops early; 0: never."""
    calibration: NonNegativeInt = 192
    """Views that are drawn at the end to find where the person stops, for the fast march; 0: left to every later start
    of the renderer, which takes up to a minute longer."""
