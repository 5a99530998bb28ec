"""``posegen run``: options, dry run, and what every failure looks like."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def values(ended):
    assert ended.code == 0, ended.err
    lines = [line.split(maxsplit=1) for line in ended.out.splitlines()[1:]]
    return {key: rest.rsplit("  ", 1) for key, rest in lines}


def test_a_dry_run_shows_each_value_and_its_source(posegen):
    ended = posegen("run", "--dry-run", "--seed", "3", "--prior", "spherical", "--set", "estimator.lr=3e-5")
    shown = {key: (value.strip(), source.strip()) for key, (value, source) in values(ended).items()}
    assert shown["seed"] == ("3", "--seed")
    assert shown["prior.name"] == ("spherical", "--prior")
    assert shown["estimator.lr"] == ("3e-05", "--set")
    assert shown["estimator.variant"] == ("lite", "default")
    assert shown["feedback.w2"][1].startswith("recipe quick, line ")
    assert shown["estimator.checkpoint"] == ("none", "default")
    assert shown["finetune.scale_aligned"][0] == "false"
    assert shown["evaluate.splits"][0] == '["ind", "usd", "ood_people", "ood_action", "real"]'


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    [
        (["--renderer", "mash"], 4, "there is no renderer 'mash'", "did you mean 'mesh'?"),
        (["--set", "estimator.varian=lite"], 2, "unknown key 'estimator.varian' (--set)", "did you mean 'variant'?"),
        (["--set", "estimator.variant=lit"], 2, "estimator.variant = 'lit' (--set) is not one of lite, full", "lite"),
        (["--set", "feedback.mode=labels"], 2, "feedback.mode = 'labels' (--set)", "did you mean 'label'?"),
        (["--set", "feedback.mode"], 2, "--set feedback.mode is not an assignment", "--set feedback.w2=0.2"),
        (["--recipe", "papr"], 2, "there is no recipe 'papr'", "did you mean 'paper'?"),
        (["--seed", "-1"], 2, "seed = -1 (--seed)", "--dry-run"),
        (["--resume"], 2, "--resume needs the folder", "--out FOLDER"),
        (["--resume", "--out", "nowhere"], 2, "nowhere is not the folder of a run", "give the --out of posegen run"),
        (["--resume", "--out", "a", "--seed", "2"], 2, "--resume goes on with the settings", "--resume --out a"),
        (
            ["--renderer", "mesh", "--set", "feedback.mode=rendered"],
            2,
            "feedback 'rendered' needs a differentiable renderer; mesh is not",
            "use --set feedback.mode=label",
        ),
        (["--device", "warp"], 2, "there is no device 'warp'", "--device cpu"),
        (["--device", "warp", "--dry-run"], 2, "there is no device 'warp'", "--device cpu"),
        (["--device", "meta", "--dry-run"], 2, "there is no device 'meta'", "--device cpu"),
        (["--seed", str(2**63)], 2, f"seed = {2**63} (--seed) should be less than {2**63}", "--dry-run"),
        (
            ["--renderer", "mesh", "--set", "renderer.light_colour=[1]"],
            2,
            "renderer.light_colour = [1] (--set) has too few items",
            "--dry-run",
        ),
        (
            ["--renderer", "mesh", "--set", "renderer.light_colour=[1, 2, 3, 4]"],
            2,
            "renderer.light_colour = [1, 2, 3, 4] (--set) should have at most 3 items, not 4",
            "--dry-run",
        ),
        (["--set", "estimator.lr=true"], 2, "estimator.lr = true (--set) is not a number", "--dry-run"),
        (["--set", "renderer.subject.x=3"], 2, "unknown key 'renderer.subject.x' (--set)", "subject is itself a value"),
    ],
)
def test_mistakes_end_in_one_sentence_and_a_hint(posegen, monkeypatch, tmp_path, arguments, code, message, hint):
    monkeypatch.chdir(tmp_path)
    ended = posegen("run", *arguments)
    assert ended.code == code
    error, advice = ended.err.strip().splitlines()
    assert error.startswith(f"error: {message}")
    assert advice.startswith("hint: ") and hint in advice
    assert not list(tmp_path.rglob("run.toml"))


@pytest.mark.usefixtures("without_spin")
def test_what_is_not_installed_says_how_to_install_it(posegen, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    ended = posegen("run", "--estimator", "spin")
    assert ended.code == 4
    assert ended.err.splitlines()[:2] == [
        "error: estimator 'spin' is not installed",
        "hint: pip install ./plugins/posegen-spin  # in a checkout of PoseGen",
    ]


def test_a_mistake_in_a_recipe_file_names_the_line(posegen, tmp_path):
    (tmp_path / "mine.toml").write_text("[estimator]\nname = 'blazepose'\nvariant = 'ful'\n")
    ended = posegen("run", "--recipe", str(tmp_path / "mine.toml"))
    assert f"({tmp_path / 'mine.toml'}, line 3) is not one of lite, full" in ended.err


def test_debug_adds_the_traceback_wherever_it_stands(posegen):
    for arguments in (["--debug", "run", "--recipe", "papr"], ["run", "--recipe", "papr", "--debug"]):
        ended = posegen(*arguments)
        assert ended.code == 2
        assert "Traceback" in ended.err and "error: there is no recipe 'papr'" in ended.err


def test_the_unexpected_is_one_line_with_advice(posegen, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr("posegen.config.load", fail)
    ended = posegen("run")
    assert ended.code == 1
    assert ended.err.splitlines()[0] == "error: unexpected ZeroDivisionError: division by zero"
    assert "--debug" in ended.err and "posegen doctor" in ended.err and "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (MemoryError(), "there is not enough memory", "loop.batch"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes"), "there is not enough memory", "--jobs"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "there is not enough memory", "camera.size"),
    ],
)
def test_too_little_memory_says_what_to_lower(posegen, monkeypatch, error, message, hint):
    def fail(*_):
        raise error

    monkeypatch.setattr("posegen.config.load", fail)
    ended = posegen("run")
    assert ended.code == 1
    assert message in ended.err.splitlines()[0] and hint in ended.err.splitlines()[1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux")
def test_output_to_a_full_disk():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "posegen", "--version"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: the output could not be written: the disk is full",
        "hint: free some space",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="there a folder in use cannot be deleted")
def test_a_folder_that_was_deleted(posegen, monkeypatch, tmp_path):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    ended = posegen("run", "--dry-run")
    assert ended.code == 2
    assert ended.err.splitlines()[0] == "error: the folder in which you are is not there any more"


def test_a_warning_is_a_line(command, distribution):
    site = distribution("posegen-warns", "that_warns", "import warnings\nwarnings.warn('mind that')")
    ended = command("plugins", "list", site=site)
    assert (ended.code, ended.err) == (0, "warning: mind that\n")


@pytest.mark.parametrize("verb", ["run", "generate", "finetune", "evaluate"])
def test_the_command_that_goes_on_has_its_paths_in_quotes(posegen, monkeypatch, tmp_path, verb):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("posegen.scoring.stage.evaluate" if verb == "evaluate" else f"posegen.run.{verb}", stop)
    dataset = {"finetune": ("--dataset", "the data"), "evaluate": ("--dataset", "npz:a.npz")}.get(verb, ())
    ended = posegen(verb, "--out", "my runs/a", *dataset)
    data = "--dataset 'the data' " if verb == "finetune" else ""
    assert ended.code == 130 and f"posegen {verb} --resume {data}--out 'my runs/a'" in ended.err


def test_what_may_not_be_used_is_no_bug(posegen, monkeypatch):
    def denied(*_):
        raise PermissionError(13, "Permission denied", "/data/mine")

    monkeypatch.setattr("posegen.config.load", denied)
    ended = posegen("run")
    assert ended.code == 3
    assert ended.err.splitlines() == [
        "error: /data/mine cannot be used: Permission denied",
        "hint: see to its permissions",
    ]


def test_a_path_that_no_file_of_settings_can_say(posegen, tmp_path):
    """A name in another encoding than UTF-8, as Python hands it on."""
    out, name = tmp_path / "out", tmp_path / "photos\udcff"
    ended = posegen("run", "--renderer", "mesh", "--out", str(out), "--set", f"retain.folder={name}")
    assert ended.code == 2 and not out.exists()
    assert ended.err.splitlines() == [
        f'error: a setting is not UTF-8: folder = "{tmp_path / "photos?"}"',
        "hint: rename that file or folder",
    ]


def test_a_damaged_photograph_is_found_before_anything_is_made(posegen, tmp_path):
    out, photos = tmp_path / "out", tmp_path / "photos"
    photos.mkdir()
    (photos / "me.png").write_bytes(b"no picture")
    ended = posegen("run", "--renderer", "mesh", "--out", str(out), "--set", f"retain.folder={photos}")
    assert ended.code == 3 and not out.exists()
    assert f"{photos / 'me.png'} cannot be read" in ended.err


def test_ctrl_c_says_how_to_go_on(tmp_path):
    out = tmp_path / "out"
    arguments = ["run", "--out", str(out), "--set", "loop.warmup=100000", "--set", "evaluate.samples=2"]
    arguments += ["--set", "evaluate.splits=['ind']", "--set", "retain.replay=0", "--set", "retain.photos=0"]
    with subprocess.Popen([sys.executable, "-m", "posegen", *arguments], stderr=subprocess.PIPE, text=True) as process:
        waited = time.monotonic() + 60
        while not (out / "metrics.jsonl").exists() and time.monotonic() < waited and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "error: interrupted" in err
    assert f"posegen run --resume --out {out}" in " ".join(err.split())
    assert "Traceback" not in err


def test_ctrl_c_while_it_is_imported_is_quiet(command, tmp_path):
    (tmp_path / "typer.py").write_text("import signal, time\nsignal.raise_signal(signal.SIGINT)\ntime.sleep(60)\n")
    ended = command("run", "--dry-run", site=tmp_path)
    assert (ended.code, ended.out, ended.err) == (130, "", "")


def test_an_unknown_verb(posegen):
    ended = posegen("rnu")
    assert ended.code == 2 and "rnu" in ended.err


def test_version(posegen):
    from posegen import __version__

    assert posegen("--version").out == f"posegen {__version__}\n"
