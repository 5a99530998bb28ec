"""Every renderer under every estimator and every prior: a whole run of two steps each."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest

from posegen.run import run

from .tiny import figures, metrics, settings

RENDERERS = ("mesh", "anerf")
ESTIMATORS = ("blazepose", "spin", "hybrik", "cliff")
PRIORS = ("normal", "uniform", "spherical")
CELLS = list(itertools.product(RENDERERS, ESTIMATORS, PRIORS))
TWO_STEPS: dict[str, Any] = {
    "camera__size": 48,
    "loop__warmup": 1,
    "loop__iterations": 1,
    "loop__samples": 4,
    "feedback__every": 1,
    "feedback__samples": 2,
    "finetune__epochs": 1,
    "finetune__batch": 2,
    "finetune__lr": 1e-6,
    "retain__replay": 0.5,
    "evaluate__samples": 2,
}


@pytest.mark.parametrize(("renderer", "estimator", "prior"), CELLS, ids=["-".join(cell) for cell in CELLS])
def test_every_combination_runs(tmp_path: Path, renderer: str, estimator: str, prior: str) -> None:
    run(settings(renderer=renderer, estimator=estimator, prior=prior, **TWO_STEPS), tmp_path / "out")
    result = figures(tmp_path / "out")
    assert (result["renderer"], result["estimator"]) == (renderer, estimator)
    usd = result["splits"]["usd"]["mpjpe"]
    assert math.isfinite(usd["after"]["mean"]) and usd["after"]["mean"] != usd["before"]["mean"]
    assert sum("error" in row for row in metrics(tmp_path / "out")) == 1
