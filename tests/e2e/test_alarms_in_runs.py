"""Training that goes wrong stops with the reason, and what was good stays good."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from posegen.datasets import generated
from posegen.errors import PosegenError
from posegen.run import evaluate, finetune, generate, run

from .tiny import metrics, settings

BLOBS: dict[str, Any] = {"renderer": "blobs"}


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        (
            {"generator__lr": 1e20},
            r"warm-up, iteration \d+: .* (nan|inf); training diverged",
            "generator.lr",
        ),
        (
            {"generator__lr": 1e3},
            r"warm-up, iteration \d+: the generated poses spread over \d+ rad",
            "lower generator.lr",
        ),
        (
            {"generator__discriminator_lr": 1e10},
            r"warm-up, iteration \d+: \w+ is (nan|inf); training diverged",
            "generator.discriminator_lr",
        ),
        (
            {"discriminator__width": 1, "discriminator__out_width": 1, "generator__discriminator_lr": 0.3},
            r"warm-up, iteration \d+: the discriminator gives every pose the same score",
            "lower generator.discriminator_lr",
        ),
        (
            {"prior": "constant"},
            r"warm-up, iteration 1: all generated poses are nearly the same \(spread 0.0000 rad\)",
            "lower feedback.w2",
        ),
        (
            {"feedback__w2": 1e38, "feedback__c": 1e38},
            r"feedback 0, iteration \d+: total is inf",
            "generator.lr",
        ),
    ],
)
def test_adversaries(tmp_path: Path, changes: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(PosegenError, match=message) as caught:
        generate(settings(**BLOBS, loop__warmup=60, **changes), tmp_path / "out")
    assert type(caught.value) is PosegenError and caught.value.exit_code == 1
    assert hint in caught.value.hint and "the last good checkpoint is kept" in caught.value.hint
    assert not (tmp_path / "out" / "dataset").exists()


def test_healthy_training_raises_none(tmp_path: Path) -> None:
    generate(settings(**BLOBS, loop__warmup=60), tmp_path / "out")
    assert len(metrics(tmp_path / "out")) == 66


@pytest.mark.parametrize("renderer", ["blobs", "mesh"])
def test_the_last_good_checkpoint_is_kept(tmp_path: Path, renderer: str, monkeypatch) -> None:
    """Estimates turn to NaN in iteration 11; the mesh then refuses to draw a NaN, and that must not hide the cause."""
    monkeypatch.setattr("posegen.stages.SAVE_EVERY", 2)
    changes = {"feedback__every": 1, "estimator__nan_after": 5, "retain__replay": 0}
    with pytest.raises(PosegenError, match=r"feedback 0, iteration 11: the estimator's error is nan, on sound poses"):
        generate(settings(renderer=renderer, loop__iterations=30, **changes), tmp_path / "out")
    kept = load_file(tmp_path / "out" / "checkpoints" / "generator.safetensors")
    assert kept["iteration"] == 10
    assert all(value.isfinite().all() for value in kept.values())


def test_a_renderer_that_draws_nan(tmp_path: Path) -> None:
    changes = {"renderer": "blobs", "renderer__fault": "nan", "retain__replay": 0}
    with pytest.raises(PosegenError, match="feedback 0, iteration 6: the estimator's error is nan") as caught:
        generate(settings(**changes), tmp_path / "out")
    assert "posegen.testing" in caught.value.hint
    with pytest.raises(PosegenError, match="the renderer: image holds values that are not finite"):
        run(settings(**changes | {"retain__replay": 0.3}), tmp_path / "replay")


def test_an_estimator_that_says_nan_is_not_measured(tmp_path: Path) -> None:
    broken = settings(estimator__nan_after=0)
    message = "split usd: what the estimator says holds values that are not finite"
    with pytest.raises(PosegenError, match=message):
        run(broken, tmp_path / "out")
    assert not (tmp_path / "out" / "before.json").exists()
    with pytest.raises(PosegenError, match=message):
        evaluate(broken)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(settings(**BLOBS), tmp_path_factory.mktemp("data") / "out")


class TestFinetuning:
    def test_divergence(self, tmp_path: Path, dataset: Path) -> None:
        with pytest.raises(PosegenError, match=r"fine-tune 0, iteration \d+: loss is (nan|inf); training diverged"):
            finetune(settings(**BLOBS, finetune__lr=1e30, finetune__over_d="keep"), tmp_path / "out", dataset=dataset)
        assert not (tmp_path / "out" / "estimator.safetensors").exists()

    def test_a_loss_that_is_nan_is_not_dropped_as_one_over_d(self, tmp_path: Path, dataset: Path) -> None:
        with pytest.raises(PosegenError, match="loss is nan; training diverged"):
            finetune(settings(**BLOBS, finetune__lr=1e30), tmp_path / "out", dataset=dataset)
        assert not (tmp_path / "out" / "estimator.safetensors").exists()

    def test_weights_that_no_loss_complains_about_are_not_saved(self, tmp_path: Path, dataset: Path) -> None:
        """The only step of an epoch has a loss that is finite, and leaves weights that are not."""
        with pytest.raises(PosegenError, match=r"fine-tuning: module\.\S+ holds values that are not finite"):
            finetune(settings(**BLOBS, finetune__lr=1e42, finetune__batch=32), tmp_path / "out", dataset=dataset)
        assert all(math.isfinite(row["loss"]) for row in metrics(tmp_path / "out"))
        assert not list((tmp_path / "out" / "checkpoints").glob("*"))
        assert not (tmp_path / "out" / "estimator.safetensors").exists()


class TestInvisible:
    """A sample without a person cannot be learned from."""

    def test_is_left_out(self, tmp_path: Path) -> None:
        folder = generate(settings(renderer="blobs", renderer__fault="some"), tmp_path / "out")
        samples = generated.load(folder, joint_set="smpl24")
        assert len(samples) == 3
        assert (samples.alpha.flatten(1).amax(1) > 127).all()

    def test_if_all_are_there_is_no_dataset(self, tmp_path: Path) -> None:
        with pytest.raises(PosegenError, match="draw round-0: no picture shows a person with every limb"):
            generate(settings(renderer="blobs", renderer__fault="nobody"), tmp_path / "out")
        assert not list((tmp_path / "out").rglob("dataset.json"))
