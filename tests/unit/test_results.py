"""Figures of a dataset: means, intervals, groups."""

from __future__ import annotations

import json

import numpy as np
import pytest

from posegen.scoring.predict import FIGURE
from posegen.scoring.results import summarise


@pytest.mark.parametrize("sequences", [50, 200, 201, 300])
def test_intervals_resample_sequences_however_many_there_are(sequences):
    """Frames of one film are alike: the interval is that of their means, not of ten times as many frames."""
    rng, frames = np.random.default_rng(0), 10
    error = np.repeat(rng.normal(100, 20, sequences), frames)
    names = np.repeat([f"film-{i}" for i in range(sequences)], frames)
    count = len(names)
    columns = {
        "key": np.arange(count).astype(str),
        "image": np.arange(count).astype(str),
        "groups": np.array([json.dumps({"sequence": name}) for name in names]),
        "azimuth": np.full(count, np.nan),
        "elevation": np.full(count, np.nan),
        FIGURE + "mpjpe": error,
    }
    found = summarise(columns)["all"]["mpjpe"]
    expected = 2 * 1.96 * error[::frames].std() / np.sqrt(sequences)
    assert found["high"] - found["low"] == pytest.approx(expected, rel=0.25)


def test_a_metric_that_nobody_has_is_no_number():
    """Acceleration where no three frames follow each other, AGORA's where nobody is matched."""
    columns = {
        "key": np.array(["a", "b"]),
        "image": np.array(["a", "b"]),
        "groups": np.array(["{}", "{}"]),
        "azimuth": np.full(2, np.nan),
        "elevation": np.full(2, np.nan),
        FIGURE + "mpjpe": np.array([1.0, 2.0]),
        FIGURE + "acceleration": np.full(2, np.nan),
    }
    found = summarise(columns)["all"]
    assert found["acceleration"]["count"] == 0
    assert all(np.isnan(found["acceleration"][name]) for name in ("mean", "low", "high"))
    assert found["mpjpe"]["mean"] == 1.5 and np.isnan(found["mpjpe"]["low"])  # two pictures say nothing
