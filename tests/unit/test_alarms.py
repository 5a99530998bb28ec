"""When training is stopped. Real trainings that go wrong are in tests/e2e."""

from __future__ import annotations

import math

import pytest
import torch

from posegen import alarms
from posegen.errors import PosegenError

GOOD = {
    "discriminator": 1.0,
    "adversarial": 0.5,
    "total": 0.6,
    "diversity": 0.4,
    "view_spread": 0.9,
    "spread": 0.3,
    "error": 0.2,
}


def test_what_is_sound_passes() -> None:
    alarms.check("feedback 0", 7, GOOD)
    alarms.check("warm-up", 7, {k: v for k, v in GOOD.items() if k != "error"})
    alarms.check("fine-tune 0", 1, {"loss": 0.0, "photos": 0.0, "kept": 0.0})


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        (
            {"discriminator": math.nan, "adversarial": math.nan, "error": math.nan},
            "discriminator is nan; training diverged",
            "generator.lr",
        ),
        ({"total": math.inf}, "total is inf; training diverged", "finetune.lr"),
        ({"total": math.nan, "error": math.nan}, "the estimator's error is nan, on sound poses", "posegen.testing"),
        ({"diversity": 0.0099}, "all generated poses are nearly the same (spread 0.0099 rad)", "loop.warmup"),
        (
            {"view_spread": 0.049},
            "all generated views are nearly the same (apart by 0.049, 1 is anywhere)",
            "feedback.w3",
        ),
        ({"diversity": 10.1}, "the generated poses spread over 10 rad", "generator.lr"),
        ({"spread": 0.00009}, "the discriminator gives every pose the same score", "generator.discriminator_lr"),
        ({"loss": math.nan}, "loss is nan; training diverged", "finetune.lr"),
    ],
)
def test_alarm(changes: dict[str, float], message: str, hint: str) -> None:
    with pytest.raises(PosegenError) as caught:
        alarms.check("feedback 0", 7, GOOD | changes)
    assert caught.value.message == f"feedback 0, iteration 7: {message}"
    assert hint in caught.value.hint and "the last good checkpoint is kept" in caught.value.hint
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    "changes", [{"diversity": 0.0101}, {"diversity": 9.9}, {"view_spread": 0.051}, {"spread": 0.00011}]
)
def test_just_inside(changes: dict[str, float]) -> None:
    alarms.check("feedback 0", 7, GOOD | changes)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_tensors(value: float) -> None:
    sound = {"a": torch.ones(3), "rng": torch.zeros(4, dtype=torch.uint8), "b": torch.tensor([1.0, value])}
    with pytest.raises(PosegenError, match="fine-tuning: b holds values that are not finite"):
        alarms.check_finite("fine-tuning", sound)
    alarms.check_finite("fine-tuning", {"a": sound["a"], "rng": sound["rng"], "of nobody": torch.empty(0, 3)})
