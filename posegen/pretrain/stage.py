"""The stage: a bank of pictures, a network of random weights, many epochs, a file of half-precision weights."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor, nn

from posegen import __version__, alarms, checkpoint
from posegen.assemble import make, options_class, usable_device
from posegen.errors import AssetError, UsageError
from posegen.files import check_writable
from posegen.pretrain.bank import Bank, open_bank
from posegen.pretrain.settings import Pretraining
from posegen.pretrain.training import Square, Training, validate
from posegen.pretrain.truth import Truth, truth_of
from posegen.protocols import PoseEstimator, Renderer
from posegen.seeding import seed_torch
from posegen.settings import Selection
from posegen.track import Track

LAYER = re.compile(r"layer\d+")  # of a ResNet: layer4.1.conv1.weight is not under an adapter's name


def pretrain(
    settings: Pretraining, out: Path, *, bank: Path, resume: bool = False, console: Console | None = None
) -> Path:
    """Train an estimator from random weights; -> ``out``, a safetensors file that says how it was made.

    Beside it lie ``OUT.metrics.jsonl`` and, until it is there, ``OUT.state``, from which ``resume`` goes on. Raises
    PosegenError: an estimator that cannot start from random weights, a bank of other settings, a file in the way,
    nothing to resume.
    """
    state, device = out.with_name(f"{out.name}.state"), usable_device(settings.device)
    _check_files(out, state, resume)
    track = Track(out.with_name(f"{out.name}.metrics.jsonl"), console)
    estimator, crops = _untrained(settings, device)

    @cache
    def mesh(subject: str) -> Renderer:
        renderer: Renderer = make("renderer", Selection(name="mesh", options={"subject": subject}), torch.device("cpu"))
        return renderer

    cpu = torch.device("cpu")
    motion, photos = make("motion", settings.motion, cpu), make("photos", settings.photos, cpu)
    bodies = [mesh(subject).body for subject in settings.bank.subjects]
    joint_set = bodies[0].joint_set(estimator.joint_set)
    assert estimator.module is not None  # it has random weights
    if not state.is_file():
        for path in settings.start:
            _start(estimator.module, path)
    train, validation = open_bank(bank, settings, motion, photos, mesh, track)
    out.parent.mkdir(parents=True, exist_ok=True)

    def truth(pictures: Bank) -> Truth:
        return truth_of(pictures, bodies, joint_set.name, settings.bank.size, settings.bank.distance)

    track.console.print(
        f"{settings.estimator.name}: {settings.epochs} epochs over {settings.bank.pictures} pictures in {bank}",
        markup=False,
        highlight=False,
    )
    training, checked = Training(estimator, joint_set, train, truth(train), settings, crops), truth(validation)
    error = _load(state, training) if state.is_file() else float("nan")
    track.forget("validate", training.epochs)
    total = settings.epochs * training.steps
    with torch.random.fork_rng(), track.phase("pretrain", total, done=training.epochs * training.steps) as phase:
        while training.epochs < settings.epochs:
            for losses in training.epoch():
                phase.advance(losses)
            phase.flush()
            error = validate(estimator, joint_set, validation, checked)
            track.write([{"phase": "validate", "iteration": training.epochs, "mpjpe_mm": round(error, 2)}])
            track.console.print(f"  epoch {training.epochs}: {error:.1f} mm on validation clips", highlight=False)
            _save(state, training, error)
    checkpoint.save_tensors(out, _halves(training.module.state_dict()), _about(settings, error))
    state.unlink()
    track.console.print(f"the weights are in {out}", markup=False, highlight=False)
    return out


def _check_files(out: Path, state: Path, resume: bool) -> None:
    if out.exists():
        raise UsageError(f"{out} is there already", "choose another --out, or delete it")
    if state.exists() and not resume:
        raise UsageError(f"{state} holds an interrupted pretraining", "go on with --resume, or delete it")
    if resume and not state.exists():
        advice = "give the --out of the interrupted one. Before its first epoch is over, leave --resume out"
        raise UsageError(f"{out} is of no pretraining to resume: there is no {state.name}", advice)
    check_writable(out)


def _untrained(settings: Pretraining, device: torch.device) -> tuple[PoseEstimator, Square | None]:
    """The estimator with weights that depend on the seed, and how it crops. Raises UsageError for one that cannot."""
    name = settings.estimator.name
    if "weights" not in options_class("estimator", name).model_fields:
        raise UsageError(
            f"estimator '{name}' cannot start from random weights: it has no option 'weights'",
            "posegen pretrain --estimator spin, hybrik or cliff",
        )
    if settings.estimator.options.get("checkpoint"):
        raise UsageError("pretraining starts from random weights, not from estimator.checkpoint", "--set start=FILE")
    selection = Selection(name=name, options={**settings.estimator.options, "weights": "untrained"})
    with torch.random.fork_rng():
        seed_torch(settings.seed, "pretrain", "weights")
        estimator: PoseEstimator = make("estimator", selection, device)
    return estimator, getattr(estimator, "square", None)


def _start(module: nn.Module, path: Path) -> None:
    """Take over what has the same shape and the same name, but for what an adapter puts before a backbone's names.

    Raises AssetError for a file that cannot be read, UsageError for one that shares nothing.
    """
    given, own = checkpoint.load_tensors(path, "give weights that posegen pretrain wrote"), module.state_dict()
    known = {alias: value for name, value in given.items() for alias in reversed(_aliases(name))} | given
    taken = {
        name: known[alias]
        for name, tensor in own.items()
        for alias in reversed(_aliases(name))
        if alias in known and known[alias].shape == tensor.shape
    }
    if not taken:
        raise UsageError(f"{path} shares no layer with this network", "leave start out")
    module.load_state_dict({**own, **taken})


def _aliases(name: str) -> list[str]:
    """A tensor's name, and without the adapter's name for its backbone: encoder.layer1.0.conv1.weight."""
    first, _, rest = name.partition(".")
    return [name, rest] if "." in rest and not LAYER.fullmatch(first) else [name]


def _halves(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Filters and matrices in half precision; what is small (statistics, biases) as it is."""
    return {
        name: value.half() if value.dtype == torch.float32 and value.dim() > 1 else value
        for name, value in state.items()
    }


def _about(settings: Pretraining, error: float) -> dict[str, str]:
    """What the file says of itself, under one key: safetensors writes several in any order."""
    about = {
        "made_by": f"posegen pretrain {__version__}",
        "weights": "open-compact",
        "validation_mpjpe_mm": round(error, 2),
        "settings": settings.model_dump(mode="json"),
    }
    return {"posegen": json.dumps(about)}


def _save(state: Path, training: Training, error: float) -> None:
    """Raises PosegenError, and keeps the old file, if a value is not finite or the disk is full."""
    tensors = {
        **checkpoint.prefixed("module", training.module.state_dict()),
        **checkpoint.prefixed("adam", checkpoint.optimizer_tensors(training.adam)),
        "epochs": torch.tensor(training.epochs),
        "error": torch.tensor(error, dtype=torch.float64),
    }
    alarms.check_finite("pretraining", tensors, "the last good state is kept: start again with a lower lr")
    checkpoint.save_tensors(state, tensors, {"settings": training.settings.model_dump_json()})


def _load(state: Path, training: Training) -> float:
    """-> the last epoch's error. Raises AssetError for a state that is damaged or of another network."""
    repair = f"delete {state} and start anew, without --resume"
    tensors = checkpoint.load_tensors(state, repair)
    if checkpoint.metadata(state).get("settings") != training.settings.model_dump_json():
        raise UsageError(f"{state} was trained with other settings", "give the same --set, or delete it")
    if missing := [key for key in ("epochs", "error") if key not in tensors]:
        raise AssetError(f"{state} lacks '{missing[0]}': it is no state of a pretraining", repair)
    checkpoint.load_module(training.module, checkpoint.without_prefix("module", tensors), state, repair)
    checkpoint.load_optimizer(training.adam, checkpoint.without_prefix("adam", tensors), state, repair)
    training.epochs = int(tensors["epochs"])
    return float(tensors["error"])
