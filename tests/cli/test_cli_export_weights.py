"""``posegen export-weights``: from a file or a run to what the published code loads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from posegen_spin.network import OFFICIAL, SpinNet
from safetensors.torch import save_file


@pytest.fixture(scope="module")
def tuned(tmp_path_factory) -> Path:
    """Weights of the published SPIN network, as fine-tuning writes them."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = SpinNet(OFFICIAL).state_dict()
    path = tmp_path_factory.mktemp("run") / "estimator.safetensors"
    save_file(state, path)
    return path


def test_a_file_tells_whose_weights_it_holds(posegen, tuned, tmp_path):
    ended = posegen("export-weights", str(tuned), "-o", str(tmp_path / "out.pt"))
    assert ended.code == 0 and "a checkpoint of spin" in ended.out
    network = SpinNet(OFFICIAL)
    network.load_state_dict(torch.load(tmp_path / "out.pt", weights_only=True)["model"])  # as the published demo does


def test_what_a_run_wrote_into_the_file_comes_first(posegen, tmp_path):
    """A third party's network may have the names of a known one, or names that nobody knows."""
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"estimator": "spin", "weights": ""})
    ended = posegen("export-weights", str(path), "-o", str(tmp_path / "out.pt"))
    assert ended.code == 3 and "is not of this network" in ended.err
    state = {name: torch.zeros(1) for name in ("conv1.weight", "decpose.weight")}
    save_file(state, path, {"estimator": "blazepose", "weights": ""})
    ended = posegen("export-weights", str(path), "-o", str(tmp_path / "out.pt"))
    assert ended.code == 3 and "is a checkpoint of spin, not of blazepose" in ended.err


def test_a_run_says_which_estimator_and_how_it_was_made(posegen, tuned, tmp_path):
    (tuned.parent / "run.toml").write_text('[estimator]\nname = "spin"\nlr = 1e-5\n')
    assert posegen("export-weights", str(tuned.parent), "-o", str(tmp_path / "out.pt")).code == 0
    assert (tmp_path / "out.pt").is_file()


def test_what_cannot_be_exported(posegen, tuned, tmp_path):
    out = tmp_path / "out.pt"
    ended = posegen("export-weights", str(tmp_path), "-o", str(out))
    assert ended.code == 2 and "holds no finished fine-tuning" in ended.err
    ended = posegen("export-weights", str(tuned), "-o", str(out), "--estimator", "cliff")
    assert ended.code == 3 and "is a checkpoint of spin, not of cliff" in ended.err
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    ended = posegen("export-weights", str(tmp_path / "a.safetensors"), "-o", str(out))
    assert ended.code == 2 and "--estimator NAME" in ended.err
    ended = posegen("export-weights", str(tuned), "-o", str(out), "--format", "onnx")
    assert ended.code == 2
    assert not out.exists()


def test_an_estimator_without_an_upstream_layout(posegen, tmp_path):
    from posegen_blazepose.estimator import BlazePose

    state = BlazePose(BlazePose.Options()).module.state_dict()
    save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "b.safetensors")
    ended = posegen("export-weights", str(tmp_path / "b.safetensors"), "-o", str(tmp_path / "out.pt"))
    assert ended.code == 2 and "no upstream layout" in ended.err


def test_no_file_is_written_over(posegen, tuned, tmp_path):
    (tmp_path / "mine.pt").write_text("mine")
    ended = posegen("export-weights", str(tuned), "-o", str(tmp_path / "mine.pt"))
    assert ended.code == 2 and "mine.pt is there already" in ended.err
    assert (tmp_path / "mine.pt").read_text() == "mine"
