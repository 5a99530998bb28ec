"""Fine-tuned weights as the published code of their estimator loads them."""

from __future__ import annotations

from pathlib import Path

import torch

from posegen import config
from posegen.assemble import make
from posegen.checkpoint import save_torch
from posegen.errors import UsageError
from posegen.nn import checkpoint
from posegen.rundir import RunDirectory
from posegen.settings import Selection


def export_official(source: Path, out: Path, estimator: str | None = None) -> str:
    """Write the weights in ``source``, a run's folder or a file, as an upstream checkpoint; -> the estimator's name.

    estimator: whose weights a file holds, where the file does not tell. Raises UsageError for an estimator without an
    upstream layout or weights that upstream does not know, AssetError for a file that cannot be used.
    """
    selection = _of_run(RunDirectory(source)) if source.is_dir() else _of_file(source, estimator)
    part = make("estimator", selection, torch.device("cpu"))
    if not hasattr(part, "official_checkpoint"):
        raise UsageError(
            f"estimator '{selection.name}' has no upstream layout to export to",
            "its weights are the safetensors file itself",
        )
    save_torch(out, part.official_checkpoint())
    return selection.name


def _of_run(directory: RunDirectory) -> Selection:
    if not directory.settings.is_file() or not directory.estimator.is_file():
        raise UsageError(
            f"{directory.path} holds no finished fine-tuning: run.toml and estimator.safetensors",
            "give the --out of a finished posegen run or posegen finetune",
        )
    selection = config.load([str(directory.settings)]).settings.estimator
    return Selection(name=selection.name, options={**selection.options, "checkpoint": directory.estimator})


def _of_file(file: Path, estimator: str | None) -> Selection:
    name = estimator or _told(file)
    if name is None:
        raise UsageError(f"{file} does not tell whose weights it holds", "--estimator NAME")
    return Selection(name=name, options={"checkpoint": file})


def _told(file: Path) -> str | None:
    """The estimator that a run wrote into the file, or else the one whose tensors have these names."""
    family = checkpoint.read(file).family
    return checkpoint.metadata(file).get("estimator", family) if file.suffix == ".safetensors" else family
