"""Whenever a run is stopped, --resume ends with the bits of a run that was not."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from posegen_starter.photos import StarterPhotos
from safetensors.torch import save_model

from posegen.context import Context
from posegen.errors import AssetError, UsageError
from posegen.run import run

from .tiny import arguments, ctrl_c, figures, files, same, settings

CHANGES: dict[str, Any] = {
    "loop__rounds": 2,
    "loop__keep": 8,
    "loop__real": 0.5,
    "loop__level": 0.5,
    "feedback__w3": 1.0,
    "retain__photos": 1.0,
    "retain__renders": 0.5,
    "retain__average": 0.7,
    "retain__subjects": ["s1"],
    "finetune__copies": 2,
    "evaluate__splits": ["ind", "usd"],
}


@pytest.fixture(scope="module", autouse=True)
def frequent_checkpoints():
    """Every second iteration, so that a resumed run starts amid a phase."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("posegen.stages.SAVE_EVERY", 2)
        yield


@pytest.fixture(scope="module", autouse=True)
def photographs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two crops to retain; the starter's 49 take their time."""
    folder = tmp_path_factory.mktemp("photographs")
    for i, crop in enumerate(StarterPhotos(StarterPhotos.Options()).people("train")[:2]):
        Image.fromarray((crop.permute(1, 2, 0) * 255).byte().numpy()).save(folder / f"{i}.png")
    CHANGES["retain__folder"] = str(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody stops."""
    out = tmp_path_factory.mktemp("whole") / "out"
    run(settings(**CHANGES), out)
    return out


@pytest.mark.parametrize(
    ("phase", "iteration"),
    [
        ("draw the benchmark", 1),
        ("measure before", 1),
        ("prepare photos", 1),
        ("draw replay", 1),
        ("prepare renders", 1),
        ("warm-up", 3),
        ("warm-up", 5),
        ("feedback 0", 9),
        ("feedback 0", 11),
        ("draw round-0", 1),
        ("prepare samples 0", 1),
        ("fine-tune 0", 2),
        ("fine-tune 0", 3),
        ("feedback 1", 15),
        ("draw round-1", 1),
        ("choose 1", 1),
        ("fine-tune 1", 1),
        ("fine-tune 1", 5),
        ("measure after", 1),
    ],
)
def test_ctrl_c(tmp_path: Path, whole: Path, phase: str, iteration: int) -> None:
    out = tmp_path / "out"
    with ctrl_c(phase, iteration):
        run(settings(**CHANGES), out)
    assert not (out / "result.json").exists()
    result = run(settings(**CHANGES), out, resume=True)
    same(out, whole)
    assert {k: v for k, v in result.items() if k != "seconds"} == figures(whole)
    assert result["seconds"] is None, "what the first process spent is not known"


@pytest.mark.parametrize(
    ("phase", "lost", "round_"),
    [("draw round-1", "checkpoints/generator.safetensors", 1), ("fine-tune 1", "dataset/round-0", 0)],
)
def test_a_round_is_not_drawn_by_the_generator_of_another(tmp_path: Path, phase: str, lost: str, round_: int) -> None:
    out = tmp_path / "out"
    with ctrl_c(phase, 1):
        run(settings(**CHANGES), out)
    gone = out / lost
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    before = files(out)
    with pytest.raises(AssetError, match=rf"the samples of round {round_} are not in") as caught:
        run(settings(**CHANGES), out, resume=True)
    assert "start anew" in caught.value.hint and files(out) == before


def test_ctrl_c_again_and_again(tmp_path: Path, whole: Path) -> None:
    out, resume = tmp_path / "out", False
    for phase, iteration in (("warm-up", 3), ("feedback 0", 7), ("fine-tune 0", 4), ("draw round-1", 1)):
        with ctrl_c(phase, iteration):
            run(settings(**CHANGES), out, resume=resume)
        resume = True
    run(settings(**CHANGES), out, resume=True)
    same(out, whole)


def test_a_run_does_not_go_on_with_other_weights(tmp_path: Path) -> None:
    """Settings name a file; what it holds by now is another network."""
    from posegen_blobs.parts import Tiny  # installed by a fixture

    weights, out = tmp_path / "tiny.safetensors", tmp_path / "out"
    changes = {"estimator": "tiny", "estimator__checkpoint": str(weights)}
    save_model(Tiny(Tiny.Options()).module, weights)
    first = weights.read_bytes()
    save_model(Tiny(Tiny.Options()).module, tmp_path / "other.safetensors")  # random ones again
    with ctrl_c("fine-tune 0", 2):
        run(settings(**changes), out)
    (tmp_path / "other.safetensors").replace(weights)
    before = files(out)
    with pytest.raises(UsageError, match="other files than there are now: weights of tiny") as caught:
        run(settings(**changes), out, resume=True)
    assert caught.value.hint == "put them back, or start anew elsewhere" and files(out) == before
    weights.write_bytes(first)
    assert run(settings(**changes), out, resume=True)["splits"]


def test_a_finished_run_only_reports(tmp_path: Path, whole: Path, command) -> None:
    before = {path: (whole / path).stat().st_mtime_ns for path in files(whole)}
    ended = command("run", "--resume", "--out", str(whole))
    assert ended.returncode == 0, ended.stderr
    assert "tiny, before " in ended.stdout
    assert "measure" not in ended.stdout and "draw" not in ended.stdout
    assert {path: (whole / path).stat().st_mtime_ns for path in files(whole)} == before


def test_a_finished_run_reads_no_motion(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "clips", property(lambda self: pytest.fail("it is read again")))
    result = run(settings(**CHANGES), whole, resume=True)
    assert {k: v for k, v in result.items() if k != "seconds"} == figures(whole)


SLOW: dict[str, Any] = {"feedback__every": 1, "feedback__samples": 4, "loop__iterations": 80}
"""Long enough that a signal meets the run while it works."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    run(settings(**SLOW), out)
    return out


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (getattr(signal, "SIGKILL", 9), -9)])
def test_a_process_that_is_stopped(tmp_path: Path, undisturbed: Path, command, number: int, code: int) -> None:
    """The same with a real process and a real signal, wherever it meets the run."""
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "posegen", *arguments("run", out, **SLOW)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 90
    while not _has(out / "metrics.jsonl", "feedback 0") and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert not (out / "result.json").exists()
    if number == signal.SIGINT:
        (advice,) = re.findall(r"error: interrupted\nhint: go on with: posegen (.*)\n$", err)
        # a console that has no check mark, as a pipe on Windows, is no reason to stop
        ended = command(*advice.split(), PYTHONIOENCODING="ascii")
        assert ended.returncode == 0, ended.stderr
        assert "? fine-tune 0" in ended.stdout
    else:
        run(settings(**SLOW), out, resume=True)
    same(out, undisturbed)


def _has(path: Path, text: str) -> bool:
    return path.is_file() and text in path.read_text("utf-8")
