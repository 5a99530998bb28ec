"""``posegen pretrain``: its mistakes, and a training of seconds."""

from __future__ import annotations

import pytest

SMALL = ("bank.pictures=2", "bank.validation=2", "bank.size=32", "epochs=1", "batch=2")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["--out", "spin.pt"], "--out spin.pt is no safetensors file", "spin.pt.safetensors"),
        (["--set", "epoch=3"], "unknown key 'epoch' (--set)", "did you mean 'epochs'?"),
        (["--set", "bank.picture=3"], "unknown key 'bank.picture' (--set)", "did you mean 'pictures'?"),
        (["--set", "bank=3"], "'bank' is a section, not the value 3", "bank.KEY"),
        (["--set", "lr=-1"], "lr = -1 (--set) should be greater than 0", ""),
        (["--estimator", "blazepose"], "estimator 'blazepose' cannot start from random weights", "spin"),
        (["--set", "bank.size=1"], "bank.size = 1 (--set) should be greater than or equal to 16", "docs/settings.md"),
        (["--seed", str(2**63)], f"seed = {2**63} (--seed) should be less than {2**63}", "docs/settings.md"),
        (["--device", "warp"], "there is no device 'warp'", "--device cpu"),
        (["--set", "estimator.lrr=1"], "unknown key 'estimator.lrr'", "did you mean 'lr'?"),
    ],
)
def test_mistakes_end_in_one_sentence_and_a_hint(posegen, monkeypatch, tmp_path, arguments, message, hint):
    monkeypatch.chdir(tmp_path)
    ended = posegen("pretrain", *(arguments if "--out" in arguments else ["--out", "w.safetensors", *arguments]))
    assert ended.code == 2
    error, advice = ended.err.strip().splitlines()
    assert error.startswith(f"error: {message}")
    assert advice.startswith("hint: ") and hint in advice
    assert not list(tmp_path.rglob("bank.json"))


def test_it_draws_a_bank_trains_and_says_how_well(posegen, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    chosen = [part for value in SMALL for part in ("--set", value)]
    ended = posegen("pretrain", "--out", "w/spin.safetensors", *chosen)
    assert ended.code == 0, ended.err
    assert "mm on validation clips" in ended.out and "w/spin.safetensors" in ended.out
    assert (tmp_path / "w" / "bank" / "bank.json").is_file()
    assert posegen("pretrain", "--out", "w/spin.safetensors", *chosen).code == 2
