"""Every setting of ``posegen pretrain``. Importing this file imports pydantic and no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from posegen import layers
from posegen.config import checked
from posegen.options import Options, Seed
from posegen.settings import AppearanceSettings, Distance, Selection, Share, Side

COMPONENTS = ("estimator", "motion", "photos")


class BankSettings(Options):
    """The pictures. All that is drawn once is said here: estimators with the same bank learn from the same pictures."""

    pictures: PositiveInt = 40_000
    """Pictures drawn from the motion's training clips."""
    validation: PositiveInt = 600
    """Pictures drawn from the motion's validation clips, to measure on."""
    size: Side = 128
    """Side of a picture, pixels; the person fills two thirds of it."""
    subjects: Annotated[tuple[str, ...], Field(min_length=1)] = ("s0", "s1", "s2", "s3")
    """Who stands in the pictures, drawn by the mesh renderer, in equal shares."""
    distance: Distance = 4.0
    """Metres from the camera to the pelvis."""
    roll: NonNegativeFloat = 5.0
    """Standard deviation of the camera's roll, degrees."""
    recombine: Share = 0.5
    """Share of poses that borrow their legs, and each arm, from another pose."""
    blend: Share = 0.3
    """Share of poses that lie between two."""
    bend: NonNegativeFloat = 0.3
    """Largest standard deviation of a random turn of every joint on top of a pose, radians: a few clips hold few
    poses."""


class LooksSettings(AppearanceSettings):
    """What the pictures look like. Milder than in fine-tuning: a small network has much to learn from few pictures."""

    backgrounds: Share = 0.3
    """Share of images that get a background photograph."""
    hue: Share = 0.25
    """Share of people in other colours than their own."""
    shade: Share = 0.3
    """Largest share of its light that a person loses, as against the light."""
    haze: Share = 0.15
    """Largest share of a white veil over the picture."""
    noise: NonNegativeFloat = 0.01
    """Largest standard deviation of pixel noise."""
    blur: NonNegativeFloat = 0.5
    """Largest standard deviation of Gaussian blur, pixels."""


class LossSettings(Options):
    """Weights of the losses; the loss of what an estimator does not predict is left out."""

    joints: NonNegativeFloat = 1.0
    """Weight of the mean distance of root-centred joints, metres."""
    rotations: NonNegativeFloat = 0.1
    """Weight of the mean squared difference of the rotation matrices of root and body."""
    betas: NonNegativeFloat = 0.001
    """Weight of the mean squared difference of the shape's betas."""
    points: NonNegativeFloat = 0.1
    """Weight of the mean distance of the joints that the weak-perspective camera projects, in halves of the crop's
    side."""
    heatmaps: NonNegativeFloat = 0.5
    """Weight of the mean cross entropy of the joints' places along each axis of a heatmap. It teaches from the first
    step, where the expected place has next to no gradient."""


class Pretraining(Options):
    """One pretraining."""

    seed: Seed = 0
    """Seed of every random draw."""
    device: str = "cpu"
    """Where to compute: cpu, cuda, cuda:1, ..."""
    estimator: Selection = Selection(name="hybrik")
    motion: Selection = Selection(name="starter")
    photos: Selection = Selection(name="starter")
    start: Annotated[tuple[Path, ...], BeforeValidator(lambda given: [given] if isinstance(given, str) else given)] = ()
    """Weights from which layers of the same names and shapes start: the estimator's own, or another's for the backbone.
    Of several files the later win: ["spin.safetensors", "hybrik.safetensors"]."""
    epochs: PositiveInt = 8
    """Passes over the pictures."""
    batch: PositiveInt = 32
    """Pictures in a step."""
    coarse: Share = 0.0
    """Share of the steps, the first ones, in which crops are halved: several times as fast, for networks that take any
    size."""
    lr: PositiveFloat = 1e-3
    """AdamW's largest learning rate; it rises in the first steps, and falls along a cosine to zero."""
    weight_decay: NonNegativeFloat = 0.01
    """AdamW's weight decay, of matrices and filters."""
    shift: NonNegativeFloat = 0.05
    """Largest error of the person's box, as a share of its longer side."""
    zoom: Share = 0.1
    """Largest error of the size of the person's box, as a share of it."""
    bank: BankSettings = BankSettings()
    loss: LossSettings = LossSettings()
    appearance: LooksSettings = LooksSettings()


def load(options: Mapping[str, tuple[str, Any]], assignments: Iterable[str]) -> Pretraining:
    """Settings from command-line options (as ``layers.from_options`` takes them) and ``--set``.

    Raises UsageError naming key, value, source and the nearest thing that exists.
    """
    stack = [layers.from_options(options, COMPONENTS), layers.from_assignments(assignments, COMPONENTS)]
    return checked(Pretraining, stack, COMPONENTS)[0]
