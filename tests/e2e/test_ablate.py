"""``posegen ablate`` from end to end: every shipped recipe runs, cells are runs, and what is shared changes no bit."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_model

from posegen import recipes
from posegen.ablate import execute
from posegen.ablate.cells import Cell, cells
from posegen.ablate.execute import ablate
from posegen.ablate.recipe import Ablation, chosen, read
from posegen.cli.main import main
from posegen.errors import UsageError
from posegen.run import run
from posegen.rundir import RunDirectory

from .tiny import assignments, ctrl_c, figures, files

ROWS = {
    "baselines": (None, None),
    "improvements": ("quick,score,clamp,roll,distance,occlusion,hardest,kept,rounds", None),
    "paper-components": ("A1,A2,A3,uniform", "blazepose"),
    "paper-dataset-size": ("1k,2k", None),
    "paper-main": ("posegen", "blazepose"),
    "paper-priors": ("normal,uniform,spherical", None),
    "paper-scenarios": ("scenario-1,scenario-2", None),
    "paper-user-specific": ("posegen", "blazepose"),
    "tradeoff": ("plain,low-lr,replay", None),
}
"""The rows, and columns, of every shipped ablation that run here."""

SMALL = assignments(
    retain__replay=0, loop__warmup=2, loop__iterations=2, loop__samples=4, finetune__epochs=1, evaluate__samples=2
)


def small(name: str, *more: str) -> Ablation:
    """A shipped ablation with the numbers of a run that takes a second, without the split of photographs."""
    metrics = [metric for metric in read(name).keys.metrics if not metric.startswith("real")]
    splits = sorted({metric.partition(".")[0] for metric in metrics})
    own = [f"metrics={json.dumps(metrics)}", f"evaluate.splits={json.dumps(splits)}"]
    if name == "paper-dataset-size":
        own += ["rows.1k.loop.samples=3", "rows.2k.loop.samples=4"]
    if name == "improvements":
        own += ["rows.kept.loop.samples=4", "rows.kept.loop.keep=2", "rows.rounds.loop.samples=2"]
    if name == "paper-user-specific":
        own += ["columns.blazepose.loop.samples=4"]
    made = read(name, [*SMALL, *own, *more])
    rows, columns = ROWS[name]
    return replace(
        made,
        rows=chosen(made.rows, rows and [rows], "row"),
        columns=chosen(made.columns, columns and [columns], "column"),
    )


def table(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "table.json").read_text("utf-8"))
    return found


def two(tmp_path: Path, *seeds: int) -> tuple[Ablation, list[Cell]]:
    """Two rows that share what they draw."""
    made = replace(small("tradeoff"), rows=chosen(small("tradeoff").rows, ["plain,low-lr"], "row"))
    return made, cells(made, seeds or (0,), tmp_path / "out")


@pytest.mark.parametrize("name", sorted(recipes.available(recipes.ABLATIONS)))
def test_every_shipped_ablation_runs(name: str, tmp_path: Path) -> None:
    made = small(name)
    assert ablate(made, cells(made, (0,), tmp_path), tmp_path) == {}
    rows = table(tmp_path)["rows"]
    assert {row["row"] for row in rows} - {"before"} == set(made.rows)
    assert all(figure["after"]["mean"] >= 0 for row in rows for figure in row["metrics"].values())
    assert {p.name for p in tmp_path.glob("table.*")} == {"table.json", "table.csv", "table.md", "table.txt"}


def test_baselines_train_no_generator_and_see_as_many_pictures(tmp_path: Path) -> None:
    made = small("baselines")
    found = {cell.row: cell for cell in cells(made, (0,), tmp_path)}
    ablate(made, list(found.values()), tmp_path)
    for row, cell in found.items():
        phases = [json.loads(line)["phase"] for line in (cell.folder / "metrics.jsonl").read_text().splitlines()]
        if row != "posegen-alone":  # here it is "posegen-real" once more, and takes its samples
            assert ("warm-up" in phases) == row.startswith("posegen")
        assert phases.count("fine-tune 0") == 1
        assert len(list((cell.folder / "dataset" / "round-0" / "images").glob("*.png"))) == 4


def test_cells_are_runs_whatever_they_share(tmp_path: Path) -> None:
    """The second cell takes its samples from the first, and is to the bit what it would be alone."""
    made, (plain, low) = two(tmp_path)
    ablate(made, [plain, low], tmp_path / "out")
    assert "draw round-0" in json.loads((plain.folder / "result.json").read_text())["seconds"]
    phases = {json.loads(line)["phase"] for line in (low.folder / "metrics.jsonl").read_text().splitlines()}
    assert phases == {"fine-tune 0"}
    assert json.loads((low.folder / "result.json").read_text())["seconds"] is None
    spent = {row["row"]: row["seconds"] for row in table(tmp_path / "out")["rows"]}
    assert spent["plain"] > 0 and spent["low-lr"] is None, "what took half of its work from another is not faster"
    run(low.settings, tmp_path / "alone")
    assert figures(low.folder) == figures(tmp_path / "alone")
    alone, mine = files(tmp_path / "alone"), files(low.folder)
    left_out = {"metrics.jsonl", "checkpoints/generator.safetensors"}
    assert {k: v for k, v in alone.items() if k not in left_out} == {k: v for k, v in mine.items() if k not in left_out}


def test_a_cell_takes_nothing_from_one_of_other_weights(tmp_path: Path) -> None:
    """Settings name a file; when the second cell begins, it holds another network than the first cell's."""
    from posegen_blobs.parts import Tiny  # installed by a fixture

    weights = tmp_path / "tiny.safetensors"
    save_model(Tiny(Tiny.Options()).module, weights)
    made = replace(small("tradeoff", f"estimator.checkpoint='{weights}'"), columns={"": {}})
    plain, low = cells(replace(made, rows=chosen(made.rows, ["plain,low-lr"], "row")), (0,), tmp_path / "out")
    assert ablate(made, [plain], tmp_path / "out") == {}
    save_model(Tiny(Tiny.Options()).module, weights)
    errors = ablate(made, [plain, low], tmp_path / "out")
    assert list(errors) == ["low-lr/0"] and "other files than there are now: weights of tiny" in str(errors["low-lr/0"])


def test_ctrl_c_and_again(tmp_path: Path) -> None:
    """What is done stays, what was interrupted is taken up, and the table is that of an ablation nobody stopped."""
    made, found = two(tmp_path, 0, 1)
    with ctrl_c("fine-tune 0"):
        ablate(made, found, tmp_path / "out")
    assert [cell.state() for cell in found] == ["interrupted", "new", "new", "new"]
    ablate(made, found[:1], tmp_path / "out")
    done = (found[0].folder / "result.json").stat().st_mtime_ns
    ablate(made, found, tmp_path / "out")
    assert (found[0].folder / "result.json").stat().st_mtime_ns == done
    whole = cells(made, (0, 1), tmp_path / "whole")
    ablate(made, whole, tmp_path / "whole")
    assert _timeless(table(tmp_path / "out")) == _timeless(table(tmp_path / "whole"))


def _timeless(table: dict[str, Any]) -> dict[str, Any]:
    return table | {"rows": [row | {"seconds": None} for row in table["rows"]]}


def test_a_cell_that_fails_does_not_keep_the_others_from_running(tmp_path: Path) -> None:
    own = ["rows.good.loop.batch=8", "rows.bad.retain.folder='nowhere'", "rows.bad.retain.photos=1"]
    (tmp_path / "mine.toml").write_text('metrics = ["usd.mpjpe"]\n[rows]\n')
    made = read(str(tmp_path / "mine.toml"), [*SMALL, *own])
    found = cells(made, (0,), tmp_path / "out")
    errors = ablate(made, found, tmp_path / "out")
    assert set(errors) == {"bad/0"} and "nowhere" in errors["bad/0"].message
    assert "nowhere" in table(tmp_path / "out")["missing"]["bad/0"]
    assert [row["row"] for row in table(tmp_path / "out")["rows"]] == ["before", "good"]


def test_a_cell_may_fail_in_any_way(tmp_path: Path) -> None:
    own = ["renderer=blobs", "feedback.mode=label", "rows.good.loop.batch=8", "rows.bad.renderer.fault=crash"]
    (tmp_path / "mine.toml").write_text('metrics = ["usd.mpjpe"]\n[rows]\n')
    made = read(str(tmp_path / "mine.toml"), [*SMALL, *own])
    errors = ablate(made, cells(made, (0,), tmp_path / "out"), tmp_path / "out")
    assert set(errors) == {"bad/0"} and errors["bad/0"].exit_code == 4
    assert errors["bad/0"].message == "plugin posegen-blobs 1.0 failed: RuntimeError: out of paint"
    assert f"--resume --debug --out {tmp_path / 'out/bad/0'}" in errors["bad/0"].hint
    assert [row["row"] for row in table(tmp_path / "out")["rows"]] == ["before", "good"]


def test_the_command_line_with_two_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two at once give the figures of one after another; a second time there is nothing left to do."""
    own = [*SMALL, 'metrics=["usd.mpjpe"]']
    words = ["ablate", "quick", "--grid", "finetune.lr=[1e-3, 1e-4]", "--out", str(tmp_path / "two")]
    words += [part for assignment in own for part in ("--set", assignment)]

    def posegen(*more: str) -> str:
        monkeypatch.setattr("sys.argv", ["posegen", *words, *more])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
        return capsys.readouterr().out

    first = posegen("--jobs", "2", "--seeds", "0")
    assert "lr=0.001/0: done" in first and "lr=0.0001/0: done" in first and "usd MPJPE" in first
    again = posegen("--seeds", "0")
    assert "done" not in again and "usd MPJPE" in again
    states = [line.split()[1] for line in posegen("--dry-run", "--seeds", "0,1").splitlines()[1:]]
    assert states == ["done", "new", "done", "new"]
    made = read("quick", own, ["finetune.lr=[1e-3, 1e-4]"])
    ablate(made, cells(made, (0,), tmp_path / "one"), tmp_path / "one")
    assert _timeless(table(tmp_path / "two")) == _timeless(table(tmp_path / "one"))


def test_the_processes_end_with_the_command_that_is_killed(tmp_path: Path) -> None:
    """They would go on for hours, beside those of the command that is given again."""
    words = ["ablate", "quick", "--grid", "finetune.lr=[1e-3, 1e-4]", "--out", str(tmp_path)]
    words += ["--jobs", "2", "--seeds", "0"]
    own = assignments(loop__warmup=10**6, retain__replay=0)
    words += [part for assignment in [*own, 'metrics=["usd.mpjpe"]'] for part in ("--set", assignment)]
    folders = [tmp_path / row / "0" for row in ("lr=0.001", "lr=0.0001")]
    with subprocess.Popen([sys.executable, "-m", "posegen", *words]) as process:
        try:
            _until(lambda: all((folder / "metrics.jsonl").exists() for folder in folders))
            assert not any(_is_free(folder) for folder in folders)
        finally:
            process.kill()
    for folder in folders:
        _until(lambda folder=folder: _is_free(folder))


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals of POSIX")
def test_the_processes_never_hear_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command alone answers: theirs would be a traceback each. Here they say which signals are blocked."""
    monkeypatch.setattr(execute, "work", signal.pthread_sigmask)
    ask: list[Any] = [signal.SIG_BLOCK]
    assert list(execute._in_processes(ask, [], jobs=1)) == [{signal.SIGINT}]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set(), "here it is heard again"


def _is_free(folder: Path) -> bool:
    try:
        with RunDirectory(folder).opened(resume=True):
            return True
    except UsageError:
        return False


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "a minute has passed"
        time.sleep(0.1)
