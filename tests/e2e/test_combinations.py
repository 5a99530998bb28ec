"""Every prior, scenario and feedback mode that the parts allow runs; the rest ends in one sentence."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import pytest
import torch

from posegen.datasets import generated
from posegen.errors import UsageError
from posegen.run import evaluate, generate, run

from .tiny import figures, metrics, settings

PRIORS = ("normal", "uniform", "spherical")
SCENARIOS = ("in_distribution", "out_of_distribution")
MODES = ("rendered", "label", "score")
BLOBS = {"renderer": "blobs"}


@pytest.mark.parametrize(("prior", "scenario", "mode"), list(itertools.product(PRIORS, SCENARIOS, MODES)))
def test_differentiable_parts_allow_everything(tmp_path: Path, prior: str, scenario: str, mode: str) -> None:
    out = tmp_path / "out"
    run(settings(**BLOBS, prior=prior, feedback__scenario=scenario, feedback__mode=mode), out)
    assert math.isfinite(figures(out)["splits"]["usd"]["mpjpe"]["after"]["mean"])
    rows = [row for row in metrics(out) if "error" in row]
    assert len(rows) == 3
    if mode != "score":  # the reward is w2 (c - error) or w2 error, on top of the adversarial loss
        for row in rows:
            reward = row["error"] if scenario == "in_distribution" else 1.0 - row["error"]
            assert row["total"] == pytest.approx(row["adversarial"] + 0.1 * reward, abs=1e-5)


@pytest.mark.parametrize(("scenario", "mode"), list(itertools.product(SCENARIOS, ("label", "score"))))
def test_the_mesh_allows_what_needs_no_gradient_of_the_picture(tmp_path: Path, scenario: str, mode: str) -> None:
    run(settings(renderer="mesh", feedback__scenario=scenario, feedback__mode=mode), tmp_path / "out")
    assert figures(tmp_path / "out")["renderer"] == "mesh"


def test_the_choices_lead_to_different_data(tmp_path: Path) -> None:
    """Eighteen runs that ignored their options would pass above."""
    drawn = []
    strong = {"generator__lr": 0.01, "feedback__w2": 10}
    for i, changes in enumerate(
        [
            {},
            {"prior": "uniform"},
            {"prior": "spherical"},
            {"feedback__scenario": "in_distribution"},
            {"feedback__mode": "rendered"},
            {"feedback__mode": "score"},
        ]
    ):
        folder = generate(settings(**BLOBS, **strong, **changes), tmp_path / str(i))
        drawn.append(generated.load(folder, joint_set="smpl24").view)
    for one, other in itertools.combinations(drawn, 2):
        assert not torch.allclose(one, other, atol=1e-4)


def test_figures_of_the_open_benchmark_are_kept_where_it_is_asked(tmp_path: Path) -> None:
    found = evaluate(settings(), by=("roll",), out=tmp_path / "kept")
    kept = json.loads((tmp_path / "kept" / "result.json").read_text(encoding="utf-8"))
    assert kept["splits"] == found and set(kept["by"]) == set(found) and kept["settings"]["seed"] == 0
    with pytest.raises(UsageError, match="is not empty"):
        evaluate(settings(), out=tmp_path / "kept")


@pytest.mark.parametrize("estimator", ["opaque", "tiny"])
@pytest.mark.parametrize("mode", ["label", "score"])
def test_estimators_without_gradient_give_feedback_all_the_same(tmp_path: Path, estimator: str, mode: str) -> None:
    changes = {} if estimator == "opaque" else {"estimator__differentiable": False}
    folder = generate(settings(estimator=estimator, feedback__mode=mode, **changes), tmp_path / "out")
    assert len(generated.load(folder, joint_set="smpl24")) == 6
    assert math.isfinite(evaluate(settings(estimator=estimator, **changes))["usd"]["mpjpe"]["mean"])


@pytest.mark.parametrize(
    ("changes", "message", "option"),
    [
        ({"feedback__mode": "rendered"}, "needs a differentiable renderer; mesh is not", "--set feedback.mode=label"),
        (
            {"renderer": "blobs", "feedback__mode": "rendered", "estimator__differentiable": False},
            "needs a differentiable estimator; tiny is not",
            "--set feedback.mode=score",
        ),
        ({"estimator": "opaque"}, "'opaque' is a black box: it has no network to fine-tune", "--estimator"),
        (
            {"renderer": "blobs", "estimator__joint_set": "h36m17"},
            "estimator 'tiny' sees the joints of h36m17",
            "--estimator",
        ),
        ({"motion": "none"}, "no clip in its split 'train'", "--set motion"),
        ({"evaluate__splits": ["ind", "used"]}, "no split 'used' in the open benchmark", "did you mean 'usd'?"),
    ],
)
def test_what_is_not_allowed_names_the_option(tmp_path: Path, changes: dict, message: str, option: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(settings(**changes), tmp_path / "out")
    assert message in caught.value.message
    assert option in caught.value.hint
    assert caught.value.exit_code == 2
