"""``posegen ablate``: what it shows, and what a mistake looks like. Its runs are in tests/e2e/test_ablate.py."""

from __future__ import annotations

import pytest

from posegen import recipes


def test_the_built_in_ones_are_listed(posegen):
    lines = posegen("ablate", "--list").out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(recipes.available(recipes.ABLATIONS))
    assert all(len(line.split()) > 4 for line in lines), "each says what it is for"


def test_they_can_be_shown_and_copied(posegen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    copied = posegen("recipes", "copy", "paper-priors")
    assert copied.code == 0 and "posegen ablate paper-priors.toml" in copied.out
    assert (tmp_path / "paper-priors.toml").read_text() == posegen("recipes", "show", "paper-priors").out
    shown = posegen("ablate", "paper-priors.toml", "--dry-run", "--seeds", "7", "--rows", "uniform,normal")
    assert [line.split()[:2] for line in shown.out.splitlines()[1:]] == [["normal/7", "new"], ["uniform/7", "new"]]
    assert not (tmp_path / "runs").exists()


def test_options_with_commas_may_be_given_again(posegen):
    apart = ("--seeds", "7", "--seeds", "1-2", "--columns", "spin", "--columns", "cliff")
    shown = posegen("ablate", "paper-main", "--dry-run", *apart)
    assert shown.out == posegen("ablate", "paper-main", "--dry-run", "--seeds", "7,1,2", "--columns", "spin,cliff").out
    assert len(shown.out.splitlines()) == 1 + 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which ablation?"),
        (["paper-prior"], "there is no recipe 'paper-prior'"),
        (["quick"], "quick compares nothing"),
        (["paper-priors", "--rows", "norml"], "there is no row 'norml'"),
        (["paper-priors", "--rows", "uniform,spherical"], "rows are compared with 'normal'"),
        (["paper-priors", "--columns", "spin"], "there is no column 'spin'"),
        (["paper-priors", "--seeds", "x"], "--seeds 'x' is no list of seeds"),
        (["paper-priors", "--seeds", ""], "--seeds '' is no list of seeds"),
        (["paper-priors", "--set", "loop.sample=3"], "unknown key 'loop.sample'"),
        (["quick", "--grid", "loop.samples=3"], "grid.loop.samples = 3 (--grid)"),
    ],
)
def test_mistakes(posegen, arguments, message):
    ended = posegen("ablate", *arguments)
    assert ended.code == 2
    error, hint = ended.err.strip().splitlines()
    assert message in error and hint.startswith("hint: ")


def test_a_run_does_not_take_an_ablation(posegen):
    ended = posegen("run", "--recipe", "paper-priors", "--dry-run")
    assert ended.code == 2 and "hint: posegen ablate paper-priors" in ended.err
