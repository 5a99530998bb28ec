"""Runs with the user's own real poses and own labelled pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets.fixtures_bvh import bvh

from posegen import run as stages
from posegen.errors import UsageError

from .tiny import files, settings


def test_real_poses_and_replay_change_a_run_and_it_resumes(tmp_path: Path) -> None:
    bvh(tmp_path / "motion/a.bvh", count=40)
    source = stages.generate(settings(), tmp_path / "source")
    plain = stages.run(settings(), tmp_path / "plain")
    changes = {"real_poses": f"bvh:{tmp_path / 'motion'}", "retain__dataset": f"generated:{source}"}
    own = stages.run(settings(**changes), tmp_path / "own")
    written = files(tmp_path / "own")
    assert (tmp_path / "own/dataset/replay-dataset/dataset.json").is_file()
    assert not (tmp_path / "own/dataset/replay/dataset.json").is_file()
    assert own["splits"] != plain["splits"]

    again = stages.run(settings(**changes), tmp_path / "again")
    assert again["splits"] == own["splits"]
    assert {k: v for k, v in files(tmp_path / "again").items() if k != "metrics.jsonl"} == {
        k: v for k, v in written.items() if k != "metrics.jsonl"
    }
    (tmp_path / "again/result.json").unlink()
    resumed = stages.run(settings(**changes), tmp_path / "again", resume=True)
    assert resumed["splits"] == own["splits"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"retain__dataset": "3dpv"}, "there is no dataset '3dpv'"),
        ({"real_poses": "amas:/x"}, "names no motion data"),
    ],
)
def test_a_wrong_name_is_told_before_anything_is_computed(tmp_path: Path, changes, message) -> None:
    with pytest.raises(UsageError, match=message):
        stages.run(settings(**changes), tmp_path / "out")
    assert not (tmp_path / "out/dataset").exists()
