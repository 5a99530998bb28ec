"""``posegen recipes``, ``assets``, ``doctor``, and the page that describes every verb."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_reference_is_up_to_date():
    from posegen.cli.reference import markdown

    written = "python -m posegen.cli.reference > docs/cli.md"
    assert DOCS.read_text(encoding="utf-8") == markdown(), f"the command line has changed: {written}"


def test_each_verb_and_option_is_described():
    from posegen.cli.reference import markdown

    for line in markdown().splitlines():
        assert not line.endswith((": ", ": None")), line


def test_recipes_are_listed_shown_and_copied(posegen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "quick" in posegen("recipes", "list").out
    shown = posegen("recipes", "show", "quick").out
    assert posegen("recipes", "copy", "quick").code == 0
    assert (tmp_path / "quick.toml").read_text() == shown
    assert posegen("run", "--recipe", "quick.toml", "--dry-run").code == 0


def test_a_copy_never_overwrites(posegen, tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text("seed = 5\n")
    ended = posegen("recipes", "copy", "quick", str(mine))
    assert ended.code == 2 and "exists" in ended.err
    assert mine.read_text() == "seed = 5\n"
    assert posegen("recipes", "copy", "quick", str(tmp_path / "no" / "folder.toml")).code == 2


def test_a_file_that_is_not_text_is_no_recipe(posegen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"\x80\x02\xff")
    for verb in ("show", "copy"):
        ended = posegen("recipes", verb, "weights.bin")
        assert ended.code == 2 and ended.out == ""
        assert ended.err.splitlines()[0] == "error: weights.bin cannot be read: it is not text"
    assert not (tmp_path / "weights.toml").exists()


def test_a_command_to_copy_has_its_path_in_quotes(posegen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert posegen("recipes", "copy", "quick", "my own.toml").out.endswith("posegen run --recipe 'my own.toml'\n")
    assert posegen("recipes", "copy", "tradeoff", "b c.toml").out.endswith("posegen ablate 'b c.toml'\n")


def test_a_copy_on_a_full_disk_leaves_nothing(posegen, tmp_path):
    resource = pytest.importorskip("resource", reason="limits of POSIX")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        ended = posegen("recipes", "copy", "quick", str(tmp_path / "mine.toml"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert ended.code == 2 and "mine.toml cannot be written" in ended.err
    assert not (tmp_path / "mine.toml").exists()


def test_assets_are_set_got_and_verified(posegen, tmp_path):
    file = tmp_path / "model_checkpoint.pt"
    file.write_bytes(b"\x80\x02x")
    assert posegen("assets", "get", "spin-checkpoint").code == 3
    assert posegen("assets", "set", "spin-checkpoint", str(file)).code == 0
    assert posegen("assets", "get", "spin-checkpoint").out == f"{file}\n"
    assert "spin-checkpoint: ok, sha256 " in posegen("assets", "verify").out
    (line,) = [line for line in posegen("assets", "list").out.splitlines() if line.startswith("spin-checkpoint ")]
    assert line.split() == ["spin-checkpoint", "yes", "SPIN", "network"]
    shown = posegen("assets", "info", "spin-checkpoint").out.splitlines()
    assert f"registered at: {file}" in shown and "get it from: https://github.com/nkolot/SPIN" in shown
    file.write_bytes(b"")
    ended = posegen("assets", "verify")
    assert ended.code == 3 and "is empty" in ended.err


def test_assets_are_listed_in_short_lines(posegen):
    assert max(map(len, posegen("assets", "list").out.splitlines())) < 150
    assert "registered at: -; posegen assets set amass PATH" in posegen("assets", "info", "amass").out.splitlines()


def test_a_missing_asset_names_the_command(posegen):
    ended = posegen("assets", "get", "smpl-neutral")
    assert ended.code == 3
    assert "hint: posegen assets set smpl-neutral PATH" in ended.err


@pytest.mark.parametrize("verb", ["get", "verify", "info"])
def test_a_name_that_is_none_proposes_the_nearest(posegen, verb):
    ended = posegen("assets", verb, "smpl-neutrl")
    assert ended.code == 2
    assert ended.err.splitlines() == ["error: there is no asset 'smpl-neutrl'", "hint: did you mean 'smpl-neutral'?"]


def test_nothing_to_verify(posegen):
    assert posegen("assets", "verify").code == 0


@pytest.mark.parametrize("section", ["system", "packages", "torch", "numba", "plugins", "assets", "disk"])
def test_the_doctor_knows(posegen, section):
    report = json.loads(posegen("doctor", "--json").out)
    assert report[section] and "failed" not in report[section]


def test_the_doctor_prints_text(posegen):
    ended = posegen("doctor")
    assert ended.code == 0
    assert "renderer mesh" in ended.out and "posegen-mesh" in ended.out


def test_the_doctor_survives_a_broken_installation(posegen, tmp_path, distribution, command):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "assets.toml").write_text("= broken")
    site = distribution("posegen-broken", "doctor_broken", "1 / 0")
    (site / "torch.py").write_text("raise OSError('libtorch.so: cannot open shared object file')")
    report = json.loads(command("doctor", "--json", site=site).out)
    assert "libtorch.so" in report["torch"]["failed"]
    assert "assets.toml" in report["assets"]["failed"]
    assert "ZeroDivisionError" in report["plugins"]["? posegen-broken"]
    assert report["system"]["python"]
