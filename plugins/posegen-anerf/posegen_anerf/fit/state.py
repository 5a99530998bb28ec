"""The file that an interrupted fit goes on from: tensors and settings, nothing that could run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from posegen.errors import AssetError, UsageError
from posegen.nn.checkpoint import save_tensors
from posegen_anerf.fit.options import FitOptions

_FREE = {"every", "patience", "calibration"}  # they change nothing of what is learned
_REPAIR = "start again without --resume"


def save_state(
    path: Path, modules: Mapping[str, nn.Module], optimisers: Mapping[str, torch.optim.Optimizer],
    extra: Mapping[str, Tensor], options: FitOptions,
) -> None:  # fmt: skip
    """Write it in one step: a full disk leaves the old file. Raises PosegenError when it cannot be written."""
    tensors = {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}
    for name, optimiser in optimisers.items():
        for i, entry in optimiser.state_dict()["state"].items():
            tensors |= {f"{name}.{i}.{key}": torch.as_tensor(value) for key, value in entry.items()}
    tensors |= {f"extra.{key}": value for key, value in extra.items()}
    save_tensors(path, tensors, {"options": options.model_dump_json()})


def load_state(
    path: Path, modules: Mapping[str, nn.Module], optimisers: Mapping[str, torch.optim.Optimizer], options: FitOptions
) -> dict[str, Tensor]:
    """Put everything back -> ``extra``.

    Raises UsageError for other options than it was written with, AssetError for a file that is missing, damaged or of
    other views.
    """
    try:
        with safe_open(path, framework="pt") as file:
            written = (file.metadata() or {}).get("options", "{}")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise AssetError(f"{path} cannot be read: there is no fit to go on with: {error}", _REPAIR) from error
    _same_options(json.loads(written), options, path)
    for name, module in modules.items():
        own = _own(tensors, name)
        for key, value in module.state_dict().items():
            if key not in own or own[key].shape != value.shape:
                raise AssetError(f"{path} does not fit these views: '{name}.{key}'", _REPAIR)
        module.load_state_dict(own)
    for name, optimiser in optimisers.items():
        state: dict[int, dict[str, Tensor]] = {}
        shapes = [parameter.shape for group in optimiser.param_groups for parameter in group["params"]]
        for key, value in _own(tensors, name).items():
            index, _, entry = key.partition(".")
            if int(index) >= len(shapes) or value.shape not in ((), shapes[int(index)]):
                raise AssetError(f"{path} does not fit these views: '{name}.{key}'", _REPAIR)
            state.setdefault(int(index), {})[entry] = value
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    return _own(tensors, "extra")


def _own(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key[len(name) + 1 :]: value for key, value in tensors.items() if key.startswith(f"{name}.")}


def _same_options(written: Mapping[str, object], options: FitOptions, path: Path) -> None:
    now = json.loads(options.model_dump_json())
    for key in sorted(set(now) - _FREE):
        if written.get(key) != now[key]:
            raise UsageError(
                f"{path} was fitted with {key}={written.get(key)}, not {now[key]}",
                f"--set {key}={written.get(key)}, or start again without --resume",
            )
