"""Upstream checkpoints: every wrapping is read, nothing is run, and a wrong file is told by its first fault."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from posegen.errors import AssetError
from posegen.nn.checkpoint import load_exact, read, read_torch


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


STATE = network().state_dict()
SPIN = {"conv1.weight": torch.zeros(64, 3, 7, 7), "decpose.weight": torch.zeros(144, 1024)}


def saved(path: Path, content: Any, *, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("parallel", [False, True], ids=["plain", "DataParallel"])
@pytest.mark.parametrize("container", [None, "model", "model_state_dict", "state_dict"])
def test_every_wrapping_is_read(tmp_path: Path, container: str | None, parallel: bool, zipped: bool) -> None:
    state = {("module." if parallel else "") + name: value for name, value in STATE.items()}
    content = state if container is None else {"epoch": 3, container: state}
    found = read(saved(tmp_path / "a.pt", content, zipped=zipped))
    assert found.state.keys() == STATE.keys()
    assert all(torch.equal(found.state[name], STATE[name]) for name in STATE)


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file(dict(STATE), tmp_path / "a.safetensors")
    assert read(tmp_path / "a.safetensors").state.keys() == STATE.keys()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_numpy_beside_the_network_is_read(tmp_path: Path, zipped: bool) -> None:
    """SPIN's trainer stores the order of its samples, an array, and learning rates may be numpy's numbers."""
    content = {
        "model": dict(STATE),
        "optimizer": {"state": {0: {"step": 7}}, "param_groups": [{"lr": np.float64(5e-5)}]},
        "dataset_perm": np.arange(5),
    }
    path = saved(tmp_path / "a.pt", content, zipped=zipped)
    assert read(path).state.keys() == STATE.keys()
    assert read_torch(path)["dataset_perm"].tolist() == [0, 1, 2, 3, 4]


class Malice:
    """What a pickle can ask for."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> Any:
        return Path.touch, (self.victim,)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_a_malicious_file_is_refused_and_runs_nothing(tmp_path: Path, zipped: bool) -> None:
    path = saved(tmp_path / "a.pt", {"model": dict(STATE), "epoch": Malice(tmp_path / "touched")}, zipped=zipped)
    with pytest.raises(AssetError, match=r"a\.pt: refused, the file asks for '[\w.]+', which is not data"):
        read(path)
    assert not (tmp_path / "touched").exists()


def test_a_malicious_bare_pickle_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(pickle.dumps(Malice(tmp_path / "touched"), protocol=2))
    with pytest.raises(AssetError, match=r"a\.pt"):
        read(tmp_path / "a.pt")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("kept", [0, 1, 50, 0.5, 0.9])
def test_a_truncated_file_is_named(tmp_path: Path, kept: float, zipped: bool) -> None:
    path = saved(tmp_path / "a.pt", {"model": dict(STATE)}, zipped=zipped)
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    with pytest.raises(AssetError, match=r"a\.pt is truncated or no checkpoint"):
        read(path)


@pytest.mark.parametrize("content", [[1, 2], {}, {"epoch": 3}, {"model": "none"}, {"model": {"a": 1}}, torch.zeros(2)])
def test_a_file_without_a_network_is_named(tmp_path: Path, content: Any) -> None:
    with pytest.raises(AssetError, match=r"a\.pt holds no network"):
        read(saved(tmp_path / "a.pt", content))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"a\.pt cannot be read: No such file"):
        read(tmp_path / "a.pt")


def test_a_run_s_folder_is_told_from_its_weights(tmp_path: Path) -> None:
    (tmp_path / "estimator.safetensors").touch()
    with pytest.raises(AssetError, match="cannot be read: Is a directory") as caught:
        read(tmp_path)
    assert caught.value.hint == f"give {tmp_path / 'estimator.safetensors'}"


def without(name: str) -> dict[str, Tensor]:
    return {key: value for key, value in STATE.items() if key != name}


@pytest.mark.parametrize(
    ("state", "difference"),
    [
        (without("2.weight"), r"it lacks '2\.weight'"),
        (STATE | {"2.weight": torch.zeros(5, 4)}, r"'2\.weight' has shape \(5, 4\), not \(2, 4\)"),
        (STATE | {"2.wait": torch.zeros(1)}, r"it holds '2\.wait', which the network has not \(did you mean '2\.w"),
        (without("1.running_mean") | {"1.running_mea": STATE["1.running_mean"]}, r"lacks '1\.running_mean' \(did you"),
    ],
)
def test_the_first_difference_is_named(tmp_path: Path, state: dict[str, Tensor], difference: str) -> None:
    with pytest.raises(AssetError, match=difference):
        load_exact(network(), read(saved(tmp_path / "a.pt", state)), "spin")


def test_another_estimators_checkpoint_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"is a checkpoint of spin, not of cliff: it lacks '0\.weight'") as raised:
        load_exact(network(), read(saved(tmp_path / "a.pt", SPIN)), "cliff")
    assert "--estimator spin --set estimator.checkpoint=" in raised.value.hint


def test_values_that_are_not_finite_are_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", STATE | {"0.bias": torch.tensor([0.0, float("nan"), 0, 0])})
    with pytest.raises(AssetError, match=r"'0\.bias' holds values that are not finite"):
        load_exact(network(), read(path), "spin")
