"""``--real-poses`` and ``--replay``."""

from __future__ import annotations

import pytest


def shown(ended):
    assert ended.code == 0, ended.err
    return {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in ended.out.splitlines()[1:]}


def test_both_options_are_settings_with_their_source(posegen):
    lines = shown(posegen("run", "--dry-run", "--real-poses", "bvh:/data/cmu", "--replay", "npz:/data/mpii.npz"))
    assert lines["real_poses"].split() == ["bvh:/data/cmu", "--real-poses"]
    assert lines["retain.dataset"].split() == ["npz:/data/mpii.npz", "--replay"]
    assert shown(posegen("run", "--dry-run"))["real_poses"].split() == ["none", "default"]


@pytest.mark.parametrize("verb", ["run", "generate"])
def test_a_source_that_is_wrong_ends_in_one_sentence(posegen, tmp_path, verb):
    ended = posegen(verb, "--out", str(tmp_path / "out"), "--real-poses", "amas:/x")
    assert ended.code == 2
    assert "real_poses (--real-poses): 'amas:/x' names no motion data" in ended.err
    assert "did you mean 'amass'?" in ended.err


def test_replay_of_a_dataset_that_does_not_exist(posegen, tmp_path):
    ended = posegen("run", "--out", str(tmp_path / "out"), "--replay", "3dpv")
    assert ended.code == 2
    assert "there is no dataset '3dpv'" in ended.err
