"""A run, and an ablation, that measure a dataset of the user's as well: before, after, and in the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets.fixtures_threedpw import FRAMES, sequence, threedpw
from PIL import Image
from safetensors.torch import load_file

from posegen import assemble
from posegen.ablate.cells import cells
from posegen.ablate.execute import ablate
from posegen.ablate.recipe import read
from posegen.cli.main import main
from posegen.datasets.sources import Source
from posegen.errors import AssetError, UsageError
from posegen.run import run
from posegen.scoring.stage import Request, measure

from .tiny import arguments, assignments, ctrl_c, settings

DATASETS = "evaluate__datasets"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 3DPW of nine people, with pictures of noise."""
    made = threedpw(tmp_path_factory.mktemp("3dpw"), {"downtown_test_00": sequence()})
    rng = np.random.default_rng(0)
    (made / "imageFiles/downtown_test_00").mkdir(parents=True)
    for frame in range(FRAMES):
        pixels = rng.integers(0, 256, (60, 34, 3), dtype=np.uint8)
        picture = Image.fromarray(pixels).resize((1080, 1920))
        picture.save(made / f"imageFiles/downtown_test_00/image_{frame:05d}.jpg")
    return made


def test_it_is_measured_before_and_after(root: Path, tmp_path: Path) -> None:
    """After: what ``posegen evaluate --dataset`` says about the new weights."""
    asked = settings(**{DATASETS: [f"3dpw:{root}"]})
    result = run(asked, tmp_path / "run")["datasets"]["3dpw"]
    assert result["protocol"] == "3dpw/challenge" and result["people"] == 9
    assert set(result["metrics"]) >= {"mpjpe", "pa_mpjpe"}
    found = result["metrics"]["mpjpe"]
    assert found["before"]["count"] == found["after"]["count"] == 9
    assert found["before"]["mean"] != found["after"]["mean"]
    change = 100 * (found["after"]["mean"] / found["before"]["mean"] - 1)
    assert found["change_percent"] == {"mean": pytest.approx(change)}
    estimator = assemble.assemble(asked).estimator
    for when in ("before", "after"):
        if when == "after":
            estimator.module.load_state_dict(load_file(tmp_path / "run/estimator.safetensors"))  # type: ignore[union-attr]
        alone = measure(estimator, asked, Request(Source("3dpw", root)))["all"]["mpjpe"]["mean"]
        assert found[when]["mean"] == pytest.approx(alone, rel=1e-6)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_half_done_evaluation_is_gone_on_with(when: str, root: Path, tmp_path: Path) -> None:
    asked = settings(**{DATASETS: [f"3dpw:{root}"]})
    whole = run(asked, tmp_path / "whole")
    out = tmp_path / "out"
    if when == "after":
        with ctrl_c("measure after"):
            run(asked, out)
    with ctrl_c("3dpw test"):
        run(asked, out, resume=when == "after")
    folder = out / "datasets/3dpw" / when
    assert (folder / "evaluation.json").is_file() and not (folder / "result.json").exists()
    assert run(asked, out, resume=True)["datasets"] == whole["datasets"]


def test_an_interrupted_run_measures_nothing_twice(root: Path, tmp_path: Path) -> None:
    asked = settings(**{DATASETS: [f"3dpw:{root}"]})
    whole = run(asked, tmp_path / "whole")
    with ctrl_c("fine-tune 0"):
        run(asked, tmp_path / "out")
    before = tmp_path / "out/datasets/3dpw/before/result.json"
    written = before.stat().st_mtime_ns
    assert run(asked, tmp_path / "out", resume=True)["datasets"] == whole["datasets"]
    assert before.stat().st_mtime_ns == written


def test_a_complete_run_says_its_result_without_the_dataset(root: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.symlink_to(root)
    asked = settings(**{DATASETS: [f"3dpw:{disk}"]})
    whole = run(asked, tmp_path / "out")
    disk.unlink()
    assert run(asked, tmp_path / "out", resume=True) == whole
    with pytest.raises(AssetError):
        run(asked, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_it_is_a_column_of_an_ablation(root: Path, tmp_path: Path) -> None:
    own = assignments(**{DATASETS: [f"3dpw:{root}"], "finetune__epochs": 1})
    metrics = 'metrics=["3dpw.mpjpe", "3dpw.auc_3dpw", "3dpw.pve", "usd.mpjpe"]'
    made = read("quick", [*own, metrics], ["finetune.lr=[1e-3, 1e-4]"])
    assert ablate(made, cells(made, (0,), tmp_path), tmp_path) == {}
    rows: list[dict[str, Any]] = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert [row["row"] for row in rows] == ["before", "lr=0.001", "lr=0.0001"]
    means = [row["metrics"]["3dpw.mpjpe"]["after"]["mean"] for row in rows]
    assert len(set(means)) == 3
    text = (tmp_path / "table.md").read_text()
    assert "3dpw MPJPE" in text and "3dpw: tiny by 3dpw/challenge" in text
    auc, none = ([row["metrics"][f"3dpw.{m}"]["after"] for row in rows] for m in ("auc_3dpw", "pve"))
    assert f"| {auc[1]['mean']:.3f} |" in text, "with its three digits"
    assert none == [None] * 3, "the protocol has no meshes to compare"
    first, second = (tmp_path / row / "0/datasets/3dpw/before/result.json" for row in ("lr=0.001", "lr=0.0001"))
    assert first.read_text() == second.read_text(), "the figures before are measured once: the seconds too are alike"


@pytest.mark.parametrize(
    ("datasets", "metric", "message"),
    [
        (["3dpw"], "3dpw.mpjp", "the metric '3dpw.mpjp' is none"),
        ([], "3dpw.mpjpe", "the metric '3dpw.mpjpe' is of no split"),
        (["4dpw"], "usd.mpjpe", "evaluate.datasets"),
        (["amass"], "usd.mpjpe", "dataset 'amass' has no images"),
        (["3dpw:a", "3dpw:b"], "usd.mpjpe", "dataset '3dpw' is named twice"),
    ],
)
def test_mistakes(datasets: list[str], metric: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        own = assignments(**{DATASETS: datasets})
        made = read("quick", [*own, f'metrics=["{metric}"]'], ["finetune.lr=[1e-3]"])
        cells(made, (0,), tmp_path)


def test_one_that_is_not_there_stops_a_run_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="nowhere does not exist"):
        run(settings(**{DATASETS: [f"3dpw:{tmp_path / 'nowhere'}"]}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_line_shows_it(root: Path, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """Alone, where no split of the open benchmark is asked for."""
    own = {DATASETS: [f"3dpw:{root}"], "evaluate__splits": []}
    monkeypatch.setattr("sys.argv", ["posegen", *arguments("run", tmp_path / "out", **own)])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    found = json.loads((tmp_path / "out/result.json").read_text())["datasets"]["3dpw"]["metrics"]["mpjpe"]
    out = capsys.readouterr().out
    assert out.count("before → after") == 2, "the dataset's table has it in its title and in its head"
    shown = [line.split() for line in out.splitlines() if line.strip().startswith("3dpw ")]
    numbers = [f"{found[when]['mean']:.1f}" for when in ("before", "after")]
    assert ["3dpw", "MPJPE", numbers[0], "→", numbers[1]] in [line[:5] for line in shown], shown
