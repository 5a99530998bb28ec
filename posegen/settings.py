"""Every setting of a run that is not an option of one plugin, with the paper's names where it has them.

Importing this file imports pydantic and no torch: the command line can show and check a recipe without either network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, ValidationInfo
from pydantic_core import PydanticCustomError

from posegen.options import Options, Person, Seed, absolute

NEAREST = 1.5
"""Metres from the camera to the pelvis: what is nearer than raised hands would see what is behind it."""


def _located(dataset: str) -> str:
    """NAME:PATH with an absolute path."""
    name, _, path = dataset.partition(":")
    return f"{name}:{absolute(path)}" if path else dataset


def _keeps_away(spread: float, info: ValidationInfo) -> float:
    if info.data.get("distance", NEAREST) * (1 - spread) < NEAREST:
        raise PydanticCustomError("near", f"brings the camera nearer than {NEAREST} m")
    return spread


Share = Annotated[float, Field(ge=0, le=1)]
Distance = Annotated[float, Field(ge=NEAREST)]
Side = Annotated[int, Field(ge=16)]
"""Of a picture, pixels: in a smaller one nobody is to be seen."""
Dataset = Annotated[str, AfterValidator(_located)]


class Selection(Options):
    """One component: its name, and the options that its own ``Options`` class checks."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)


class CameraSettings(Options):
    distance: Distance = 4.0
    """Metres from the camera to the pelvis."""
    spread: Annotated[Share, AfterValidator(_keeps_away)] = 0.0
    """Largest random change of the distance, as a share of it, to no less than 1.5 m: perspective differs. Not in the
    paper."""
    size: Side = 256
    """Side of the rendered square image, pixels."""


class GeneratorSettings(Options):
    z_dim: PositiveInt = 32
    """Numbers in z."""
    width: PositiveInt = 256
    """Units of each hidden layer."""
    stages: PositiveInt = 2
    """Stages of two hidden layers after the first."""
    lr: PositiveFloat = 1e-4
    """Adam's learning rate of the generator."""
    discriminator_lr: PositiveFloat = 1e-4
    """Adam's learning rate of the discriminator."""


class FeedbackSettings(Options):
    mode: Literal["auto", "rendered", "label", "score"] = "auto"
    """How the error reaches the generator: through the rendered image (the paper), through the label alone (the
    published script), or by a score-function estimate (black boxes). auto: rendered where renderer and estimator are
    differentiable, else label."""
    scenario: Literal["out_of_distribution", "in_distribution"] = "out_of_distribution"
    """Scenario 2 raises the estimator's error (the paper's default), scenario 1 lowers it."""
    w1: NonNegativeFloat = 1.0
    """Weight of the adversarial loss (Eq 8)."""
    w2: NonNegativeFloat = 0.1
    """Weight of the feedback loss (Eq 8)."""
    w3: NonNegativeFloat = 0.0
    """Weight of the views' crowding: keeps the generator from settling on one failure. Not in the paper."""
    w4: NonNegativeFloat = 0.0
    """Weight of joint angles beyond the range of real poses (``losses.joint_limits``): feedback finds poses that a NeRF
    cannot draw before it finds some that an estimator cannot see. Not in the paper."""
    c: PositiveFloat = 1.0
    """Threshold c in metres: out_of_distribution minimises c - error."""
    clamp: bool = False
    """Stop pushing where the error exceeds c (the paper); the published script has no clamp."""
    every: PositiveInt = 5
    """Feedback is computed in every n-th iteration after the warm-up."""
    samples: PositiveInt = 20
    """How many of the batch's poses are rendered for feedback."""
    sigma: PositiveFloat = 0.1
    """Standard deviation of the exploration of mode ``score``, radians."""


class LoopSettings(Options):
    rounds: PositiveInt = 1
    """Rounds of [train the generator against the current estimator, draw samples, fine-tune]."""
    warmup: NonNegativeInt = 300
    """Iterations of generator and discriminator alone before the first feedback."""
    iterations: PositiveInt = 200
    """Iterations with feedback in each round."""
    batch: Annotated[int, Field(ge=2)] = 256
    """Poses in a batch."""
    clip: PositiveFloat = 1.0
    """Largest gradient norm of generator and discriminator."""
    samples: PositiveInt = 1500
    """(image, pose) pairs drawn in each round, from the generator unless ``poses`` and ``views`` say otherwise."""
    keep: NonNegativeInt = 0
    """How many of all samples drawn so far a round is fine-tuned on: of those on which the present estimator errs most,
    those that differ most. 0: all samples."""
    poses: Literal["generator", "clips", "uniform"] = "generator"
    """Where the samples' poses come from: the generator, or to compare with it: real poses, or joint angles drawn
    uniformly from the range that each has in real poses."""
    views: Literal["generator", "level", "in_distribution", "uniform"] = "generator"
    """Where the samples' views come from: ``generator``, with its roll; ``level``, the generator's without roll, in its
    training too; or, to compare with it, ``in_distribution``, cameras at chest height, and ``uniform``, anywhere on the
    sphere, both without roll but for ``roll``."""
    candidates: Annotated[int, Field(ge=1, le=32)] = 1
    """Candidates drawn for every sample that is kept. Of each batch those with the largest error are, each judged in a
    random appearance (hard-example mining)."""
    real: Share = 0.0
    """Share of the samples with a real pose; their views stay. Not in the paper."""
    bend: NonNegativeFloat = 0.0
    """Largest standard deviation, radians, of a random turn of every joint on top of real poses that are drawn or
    replayed: a few clips hold few poses. The discriminator sees real poses as they are."""
    others: tuple[Person, ...] = ()
    """People beside the run's subject in the samples: starter subjects as meshes, or files of subjects, such as NeRFs
    that you fitted, by the run's renderer. Not in the paper, which names them as future work."""
    company: Share = 0.0
    """Share of the samples that show one of ``others``, in turn: a mesh costs a twentieth of a NeRF."""
    lean: bool = False
    """Real poses that are drawn lie and lean as they were filmed: K turns the camera in the world of their clip.
    Without it, K is about the pelvis, which to a level camera always stands upright. Not in the paper."""
    level: Share = 0.0
    """Share of the samples whose camera is held level, as people hold one: K without its roll. Not in the paper."""
    roll: Share = 0.0
    """Share of the samples beside those of ``level`` whose camera rolls by any angle alike, in place of K's own roll.
    Not in the paper."""


class AppearanceSettings(Options):
    """Variation of what a fine-tuning image looks like; the pose and the view stay as they are."""

    backgrounds: Share = 0.9
    """Share of images that get a background photograph."""
    wall: Literal["any", "white"] = "any"
    """Colour of the wall behind people without a background photograph: any, anew for each, or white as in the
    published script."""
    brightness: NonNegativeFloat = 0.35
    """Largest relative change of brightness, of the person and of the picture."""
    contrast: NonNegativeFloat = 0.4
    """Largest relative change of contrast."""
    colour: NonNegativeFloat = 0.15
    """Largest relative change of each colour channel."""
    hue: Share = 0.75
    """Share of people in other colours than their own: clothes must not tell front from back."""
    shade: Share = 0.75
    """Largest share of its light that a person loses, as against the light."""
    occlude: Share = 0.0
    """Share of people of whom a piece of another picture hides a part."""
    haze: Share = 0.5
    """Largest share of a white veil over the picture, as against the light."""
    noise: NonNegativeFloat = 0.03
    """Largest standard deviation of pixel noise."""
    blur: NonNegativeFloat = 1.2
    """Largest standard deviation of Gaussian blur, pixels."""


class RetainSettings(Options):
    """What keeps fine-tuning from forgetting. Numbers that are None are the estimator's own (``posegen.pace``)."""

    photos: NonNegativeFloat | None = None
    """Weight of distillation from the original network on photographs of people."""
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Photographs distilled beside a batch, as a share of its size; at least one. If ``retain.renders`` > 0, as many
    renders too, of which (share x samples) are drawn in all."""
    folder: Path | None = None
    """A folder of square crops of people, unlabelled; without one, the starter's training photographs. Of more than
    the steps can show, as many as they can are taken, spread evenly over their names."""
    renders: NonNegativeFloat = 0.0
    """Weight of distillation from the original network on in-distribution renders."""
    replay: Share | None = None
    """Share of in-distribution renders, with their labels, in every batch."""
    repeats: PositiveFloat | None = None
    """How often a replayed picture is seen: the fewer times, the more different ones are drawn. What is seen often is
    learned by heart, and keeps little else."""
    subjects: tuple[Person, ...] = ("s1", "s2", "s3")
    """Who stands in replayed and distilled renders, as in ``loop.others``; empty: whom the run's own renderer draws."""
    company: Share = 1.0
    """Share of replayed and distilled renders that show one of ``subjects``, in turn; the run's own renderer draws the
    others: the person of a NeRF, of whom there is no mesh, is then seen from ordinary views too."""
    facing: PositiveFloat = 50.0
    """Standard deviation of the azimuth in replayed and distilled renders, degrees: people in photographs mostly face
    the camera."""
    dataset: Dataset | None = None
    """NAME or NAME:PATH: a dataset with pictures and labels that is replayed in place of renders."""
    weights: NonNegativeFloat = 0.0
    """Weight of the squared distance to the original weights."""
    average: Share | None = None
    """Share of the fine-tuned weights in the final average with the original ones (1: no averaging)."""


class FinetuneSettings(Options):
    """Fine-tuning itself. What is None is the estimator's own (``posegen.pace``)."""

    epochs: PositiveInt | None = None
    """Passes over the generated samples in each round."""
    batch: PositiveInt | None = None
    """Labelled images in a step; distilled ones come on top."""
    lr: PositiveFloat | None = None
    """Learning rate."""
    optimizer: Literal["adam", "muon"] | None = None
    """What trains the convolution filters, but for those that see fewer than 16 channels, and the large matrices; Adam
    trains the rest. Muon learns what is rare as fast as what is common."""
    rank: NonNegativeInt = 0
    """Rank of the change of each matrix and filter (low-rank adapters, merged at the end), whose factors are
    stepped by Adam; 0: any change."""
    d: PositiveFloat = 0.2
    """Threshold d in metres: the joints of pictures with a larger error, replayed ones too, are left out (Eq 13)."""
    over_d: Literal["drop", "zero", "keep"] = "drop"
    """Samples over ``d`` are dropped from the mean (the published script), count as zero (Eq 13), or are kept."""
    scale_aligned: bool = True
    """Scale the prediction to the truth's size before the loss, as the published script does."""
    joints: Literal["all", "limbs", "paper"] = "all"
    """Joints that count: all of the estimator's, the 12 limb joints, or the limb joints with neck and head where it has
    them, which of SMPL's 24 are the published script's 14."""
    rotations: NonNegativeFloat | None = None
    """Weight of the mean squared difference of the rotation matrices of root and body, of estimators that predict
    them."""
    heatmaps: NonNegativeFloat | None = None
    """Weight of the mean cross entropy of the joints' places along each axis, of estimators with heatmaps."""
    copies: NonNegativeInt = 1
    """Appearances (``[appearance]``) of a picture, drawn before training and kept; 0 draws a new one in every step."""
    mirror: Share = 0.5
    """Share of the pictures in a step that are flipped left to right; none where joints do not know their side."""
    turn: float | None = Field(default=None, ge=0, le=180)
    """Largest turn of a generated picture, degrees, in every step anew; its labels turn with it."""
    zoom: float | None = Field(default=None, ge=0, lt=1)
    """Largest change of scale of a generated picture, as a share: with 0.1, a tenth more or less of it is seen."""
    shift: float | None = Field(default=None, ge=0, lt=1)
    """Largest shift of a generated picture, as a share of half of its side."""


class EvaluateSettings(Options):
    splits: tuple[str, ...] = ("ind", "usd", "ood_people", "ood_action", "real")
    """Splits of the open benchmark to measure."""
    datasets: tuple[Dataset, ...] = ()
    """NAME or NAME:PATH: datasets that you have, measured by ``posegen run`` before and after as well: the usual
    split, by the usual protocol."""
    samples: PositiveInt = 200
    """Images of each rendered split."""


class Settings(Options):
    """One run."""

    seed: Seed = 0
    """Seed of every random draw."""
    device: str = "cpu"
    """Where to compute: cpu, cuda, cuda:1, ..."""
    renderer: Selection = Selection(name="anerf")
    estimator: Selection = Selection(name="blazepose")
    prior: Selection = Selection(name="normal")
    discriminator: Selection = Selection(name="parts")
    motion: Selection = Selection(name="starter")
    photos: Selection = Selection(name="starter")
    real_poses: Dataset | None = None
    """amass, amass:PATH or bvh:PATH, in place of the motion's training clips: for the discriminator, the range of joint
    angles, real poses among the samples and replayed ones."""
    camera: CameraSettings = CameraSettings()
    generator: GeneratorSettings = GeneratorSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    loop: LoopSettings = LoopSettings()
    finetune: FinetuneSettings = FinetuneSettings()
    retain: RetainSettings = RetainSettings()
    appearance: AppearanceSettings = AppearanceSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
