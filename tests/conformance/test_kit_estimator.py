"""The kit finds these faults of an estimator."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from posegen.testing import checks
from posegen.types import Estimate

from .faulty import Fault, WrongGradient, around, assert_found, broken, nan, noisy, through_numpy, without_mean
from .healthy import Estimator


def joints(change) -> type:
    return around(Estimator, "predict", lambda estimate: Estimate(change(estimate.joints)))


def crop(change) -> type:
    return around(Estimator, "crop", change)


def estimate(change) -> type:
    return around(Estimator, "predict", change)


def looks_again(share: float, change) -> type:
    return joints(lambda j: change(j) if j.requires_grad else share * j)


class FloatSize(Estimator):
    def __init__(self, options, *, device="cpu") -> None:
        super().__init__(options)
        self.input_size = 16.0


class Whole(Estimator):
    """Ignores the box."""

    def crop(self, image, box):
        return nn.functional.interpolate(image, (16, 16))


class InPlace(Estimator):
    def predict(self, crop):
        crop.data.mul_(0.9)
        return super().predict(crop)


class DoubleModule(Estimator):
    def __init__(self, options, *, device="cpu") -> None:
        super().__init__(options)
        self.module.double()

    def predict(self, crop):
        return Estimate(super().predict(crop.double()).joints.float())


class Placed(Estimator):
    """Is told where the crop lies."""

    def context(self, picture, box, intrinsics=None):
        focal = picture[:, 0] if intrinsics is None else intrinsics[:, 0, 0]
        return torch.cat([box[:, :2], focal[:, None]], dim=1)

    def predict(self, crop, context=None):
        return super().predict(crop)


class PlacedAnywhere(Placed):
    def context(self, picture, box, intrinsics=None):
        return super().context(picture, 0 * box, intrinsics)


class PlacedByThePicture(Placed):
    """A published rule may know no camera."""

    def context(self, picture, box, intrinsics=None):
        return super().context(picture, box)


class PlacedInVain(Placed):
    def predict(self, crop):
        return super().predict(crop)


class Idle(Estimator):
    """Its module is not what predict uses."""

    def __init__(self, options, *, device="cpu") -> None:
        super().__init__(options)
        self.used, self.module = self.module.requires_grad_(False), nn.Linear(2, 2)

    def predict(self, crop):
        return Estimate(self.used(crop.flatten(1)).tanh().view(-1, 24, 3))


FAULTS: list[Fault] = [
    (broken(Estimator, joint_set="smpl42"), "attributes_are_known", "smpl42"),
    (FloatSize, "attributes_are_known", "input_size"),
    (broken(Estimator, differentiable="yes"), "attributes_are_known", "True or False"),
    (crop(lambda c: c[:, :, :-1]), "crop_has_the_shape", r"\(3, 3, 16, 16\)"),
    (crop(lambda c: c.permute(0, 2, 3, 1)), "crop_has_the_shape", r"\(3, 3, 16, 16\)"),
    (crop(lambda c: (255 * c).byte()), "crop_has_the_shape", "uint8"),
    (Whole, "crop_follows_the_box", "must give the same crop"),
    (crop(lambda c: c * 0), "crop_follows_the_box", "another box"),
    (crop(without_mean), "crop_is_batch_independent", "one at a time"),
    (crop(through_numpy), "crop_is_differentiable", "no graph"),
    (joints(lambda j: j[:, :-1]), "estimate_has_the_shape", r"smpl24 must have shape \(3, 24, 3\)"),
    (joints(nan), "estimate_has_the_shape", "NaN"),
    (joints(lambda j: j.double()), "estimate_has_the_shape", "float64"),
    (estimate(lambda e: e.joints), "estimate_has_the_shape", "an Estimate"),
    (estimate(lambda e: replace(e, visibility=3 * e.joints[..., 0])), "estimate_has_the_shape", "sigmoid"),
    (
        estimate(lambda e: replace(e, betas=torch.zeros(10))),
        "estimate_has_the_shape",
        r"betas must .* \(3, 10\)",
    ),
    (joints(lambda j: 1000 * j), "joints_are_metres", "metres"),
    (joints(lambda j: 1e-3 * j), "joints_are_metres", "metres"),
    (PlacedAnywhere, "context_tells_where_the_crop_lies", "elsewhere in the picture"),
    (PlacedInVain, "context_tells_where_the_crop_lies", "raised TypeError"),
    (joints(noisy), "estimate_is_repeatable", "dropout"),
    (InPlace, "estimate_is_repeatable", "must not change"),
    (joints(without_mean), "estimate_is_batch_independent", "one at a time"),
    (joints(lambda j: j.detach()), "gradient_is_as_promised", "no graph"),
    (joints(WrongGradient.apply), "gradient_is_as_promised", "lower the loss"),
    (crop(through_numpy), "gradient_is_as_promised", "the image"),
    (broken(Estimator, differentiable=False), "gradient_is_as_promised", "say True"),
    (broken(Estimator, lr=0.0), "can_be_finetuned", "positive lr"),
    (broken(Estimator, frozen=("stem",)), "can_be_finetuned", "frozen names no parameter: stem"),
    (broken(Estimator, frozen=("weight", "bias")), "can_be_finetuned", "leave something to fine-tune"),
    (joints(lambda j: j.detach()), "can_be_finetuned", "keep the graph"),
    (joints(WrongGradient.apply), "can_be_finetuned", "must lower"),
    (DoubleModule, "can_be_finetuned", "float32"),
    (Idle, "can_be_finetuned", "keep the graph"),
]


@pytest.mark.parametrize("part", [Placed, PlacedByThePicture])
def test_a_context_that_differs_by_place_passes(part: type) -> None:
    next(c for c in checks("estimator") if c.name == "context_tells_where_the_crop_lies")(part)


@pytest.mark.parametrize("share", [0.5, 2.0])
def test_gradients_are_of_what_is_seen_with_gradients(share: float) -> None:
    """An estimator may look twice where nobody asks for gradients: what it says then is another function."""
    check = next(c for c in checks("estimator") if c.name == "gradient_is_as_promised")
    check(looks_again(share, lambda j: j))
    with pytest.raises(AssertionError, match="lower the loss"):
        check(looks_again(share, WrongGradient.apply))


@pytest.mark.parametrize("fault", FAULTS, ids=[name for _, name, _ in FAULTS])
def test_a_fault_is_found(fault: Fault) -> None:
    assert_found("estimator", fault)
