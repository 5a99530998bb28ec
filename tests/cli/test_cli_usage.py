"""What a wrong command line looks like, and what help says at 80 columns."""

from __future__ import annotations

import pytest
import typer

from posegen.cli.main import app


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ("run --renderr mesh", "there is no option '--renderr'", "did you mean '--renderer'?"),
        ("run -x", "there is no option '-x'", "posegen run --help"),
        ("--foo", "there is no option '--foo'", "posegen --help"),
        ("rnu", "posegen has no command 'rnu'", "did you mean 'run'?"),
        ("plugins inf", "posegen plugins has no command 'inf'", "did you mean 'info'?"),
        ("run extra", "unexpected argument 'extra'", "posegen run --help"),
        ("render", "posegen render needs --out FILE", "posegen render --help"),
        ("fit", "posegen fit needs NAME", "posegen fit --help"),
        ("run --seed", "--seed needs a value", "posegen --help"),
        ("run --resume=3", "--resume takes no value", "posegen --help"),
        ("run --seed abc", "--seed 'abc' is not a whole number", "posegen run --help"),
        ("render -o x.png --turns a", "--turns 'a' is not a number", "posegen render --help"),
        ("run --set estimator.variant=huge", "estimator.variant = 'huge' (--set) is not one of", "variant = 'lite'"),
        ("run --replay foo", "retain.dataset (--replay): there is no dataset 'foo'", "choose among 3dpw"),
        ("evaluate --set evaluate.splits=['usdd']", "evaluate.splits (--set): no split 'usdd'", "did you mean 'usd'?"),
        ("run --dry-run --real-poses nonsense", "real_poses (--real-poses): 'nonsense' names no motion", "amass:PATH"),
        ("run --dry-run --real-poses amass:x?split=train", "real_poses (--real-poses): dataset 'amass' has no", ""),
        ("run --set evaluate.splits=[]", "evaluate.splits (--set): there is nothing to measure", "ind, usd"),
        ("evaluate --set evaluate.splits=[] --set evaluate.datasets=['3dpw']", "evaluate.splits is empty", "--dataset"),
        ("assets info cliff-checkpoin", "there is no asset 'cliff-checkpoin'", "did you mean 'cliff-checkpoint'?"),
    ],
)  # fmt: skip
def test_usage_errors_are_one_sentence_and_a_hint(posegen, monkeypatch, tmp_path, arguments, message, hint):
    monkeypatch.chdir(tmp_path)
    ended = posegen(*arguments.split())
    error, advice = ended.err.splitlines()
    assert ended.code == 2
    assert error.startswith(f"error: {message}")
    assert advice.startswith("hint: ") and hint in advice


def test_a_bound_is_told_with_the_value(posegen):
    ended = posegen("render", "-o", "x.png", "--size", "0")
    assert ended.code == 2 and ended.err.startswith("error: --size ") and "1" in ended.err.splitlines()[0]


@pytest.mark.parametrize("arguments", [(), ("plugins",)])
def test_without_a_command_help_is_shown_and_no_error(posegen, arguments):
    ended = posegen(*arguments)
    assert ended.code in (0, 2)  # click 8.1 says 0
    assert "Usage: posegen" in ended.out and "error" not in ended.err


@pytest.mark.parametrize("verb", ["", *typer.main.get_command(app).commands])
def test_help_cuts_nothing_and_gives_flags_no_value(posegen, monkeypatch, verb):
    monkeypatch.setenv("COLUMNS", "80")
    shown = posegen(*verb.split(), "--help").out
    assert "--help" in shown
    assert "…" not in shown and "<bool>" not in shown and "BOOLEAN" not in shown


def test_help_names_every_ending_that_is_written(posegen):
    from posegen import film

    shown = posegen("render", "--help").out
    assert [ending for ending in film.KINDS if ending not in shown] == [".jpeg"]
