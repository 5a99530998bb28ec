"""Checkpoints as upstream training scripts write them: read without running anything, and written back the same way."""

from __future__ import annotations

import pickle
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from posegen.checkpoint import load_module as load_module  # plugins write and read their own files with these
from posegen.checkpoint import load_optimizer as load_optimizer
from posegen.checkpoint import load_tensors as load_tensors
from posegen.checkpoint import metadata as metadata
from posegen.checkpoint import optimizer_tensors as optimizer_tensors
from posegen.checkpoint import prefixed as prefixed
from posegen.checkpoint import save_arrays as save_arrays
from posegen.checkpoint import save_tensors as save_tensors
from posegen.checkpoint import without_prefix as without_prefix
from posegen.errors import AssetError, nearest

CONTAINERS = ("model", "model_state_dict", "state_dict")
"""Keys under which scripts keep the network, beside their optimisers."""
PARALLEL = "module."
"""What ``DataParallel`` puts before every name."""
FAMILIES = {
    "spin": ("conv1.weight", "decpose.weight"),
    "cliff": ("encoder.conv1.weight", "decpose.weight"),
    "hybrik": ("preact.conv1.weight", "decphi.weight"),
    "blazepose": ("stem.weight", "world.weight"),
}
"""Estimator -> names that its networks have, and no other's."""
DAMAGED = "download or copy the file again"
REFUSED = re.compile(r"(?:GLOBAL|global) ([\w.]+)")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A network's state dict, without ``module.``, and the file that it came from."""

    path: Path
    state: dict[str, Tensor]

    @property
    def family(self) -> str | None:
        """The estimator whose names these are, None for none that is known."""
        owners = (owner for owner, names in FAMILIES.items() if self.state.keys() >= set(names))
        return next(owners, None)


def read(path: Path) -> Checkpoint:
    """A ``.safetensors`` file, or what ``torch.save`` wrote, of any version.

    Raises AssetError for a file that is missing, damaged, holds no network, or asks for anything but data: nothing in
    it is ever run.
    """
    if path.suffix == ".safetensors":
        return Checkpoint(path, load_tensors(path, "give weights that posegen wrote"))
    content = read_torch(path)
    container = next((key for key in CONTAINERS if isinstance(content, Mapping) and key in content), None)
    state = content if container is None else content[container]
    if not isinstance(state, Mapping) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        held = ", ".join(map(str, list(content)[:5])) if isinstance(content, Mapping) else type(content).__name__
        raise AssetError(
            f"{path} holds no network: neither tensors nor one of {', '.join(CONTAINERS)} (it has {held or 'nothing'})",
            "give the checkpoint as it was downloaded",
        )
    return Checkpoint(path, {key.removeprefix(PARALLEL): value for key, value in state.items()})


def read_torch(path: Path) -> Any:
    """The content of a ``torch.save`` file: tensors on the cpu, numpy's arrays, and Python's plain values.

    Raises AssetError as ``read`` does.
    """
    try:
        # numpy's arrays come with some optimisers' states; rebuilding one runs no code of the file either
        with torch.serialization.safe_globals(_numpy_parts()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        own = path / "estimator.safetensors"  # of a run's folder
        hint = f"give {own}" if own.is_file() else "check the path"
        raise AssetError(f"{path} cannot be read: {error.strerror or error}", hint) from error
    except pickle.UnpicklingError as error:
        asked = REFUSED.search(str(error))
        if asked is None:
            raise AssetError(f"{path} is truncated or no checkpoint", DAMAGED) from error
        raise AssetError(
            f"{path}: refused, the file asks for '{asked[1]}', which is not data",
            "nothing was run; get the file from its official source",
        ) from error
    except Exception as error:  # a damaged archive can fail in any way
        raise AssetError(f"{path} is truncated or no checkpoint ({type(error).__name__})", DAMAGED) from error


def load_exact(module: nn.Module, checkpoint: Checkpoint, family: str) -> None:
    """Fill the network; every name on either side must have its counterpart of the same shape.

    Raises AssetError that names the first difference, the estimator that the file belongs to if that is another, and
    tensors that are not finite.
    """
    expected, found, path = module.state_dict(), checkpoint.state, checkpoint.path
    difference = first_difference(expected, found)
    if difference is not None:
        other = checkpoint.family
        if other not in (None, family):
            raise AssetError(
                f"{path} is a checkpoint of {other}, not of {family}: {difference}",
                shlex.join(("--estimator", other, "--set", f"estimator.checkpoint={path}")),
            )
        raise AssetError(f"{path} is not of this network: {difference}", f"give a checkpoint of {family}")
    for name, value in found.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise AssetError(f"{path}: the tensor '{name}' holds values that are not finite", DAMAGED)
    module.load_state_dict(found)


def first_difference(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str | None:
    """The first name that the file lacks, has in another shape, or has beyond the network's; None if none does."""
    for name, tensor in expected.items():
        if name in found and found[name].shape != tensor.shape:
            return f"'{name}' has shape {tuple(found[name].shape)}, not {tuple(tensor.shape)}"
        if name not in found:
            close = nearest(name, [key for key in found if key not in expected])
            return f"it lacks '{name}'" + (f" ({close})" if close else "")
    for name in found:
        if name not in expected:
            close = nearest(name, list(expected))
            return f"it holds '{name}', which the network has not" + (f" ({close})" if close else "")
    return None


def _numpy_parts() -> list[Any]:
    """What pickles of numpy's arrays and numbers name, of numpy 1 and of numpy 2."""
    core = np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]
    old = [
        (function, f"numpy.{package}.multiarray.{name}")
        for function, name in zip(core, ("_reconstruct", "scalar"), strict=True)
        for package in ("core", "_core")
    ]
    return [*old, np.ndarray, np.dtype, *{type(np.dtype(code)) for code in "?bhilqBHILQefd"}]
