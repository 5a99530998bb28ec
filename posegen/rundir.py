"""The directory of one run: what reproduces it, what it measured, and where it goes on after an interruption.

run.toml        the settings; ``posegen run --recipe run.toml`` repeats the run
env.json        versions, machine, plugins
inputs.json     sha256 of the original weights and of the files of those who are drawn
metrics.jsonl   every iteration's losses, one JSON object a line
samples.json    which dataset ``posegen finetune`` learns from
before.json     the estimator's figures before, for every image of every split; after.json: after
photos.json     with retain.folder: which photographs fine-tuning retains
kept-0.json     with loop.keep: which samples a round was fine-tuned on
checkpoints/    generator.safetensors (with discriminator and optimisers), finetuning.safetensors
dataset/        round-0/ ... and replay/ or replay-dataset/: generated samples (posegen.datasets.generated)
datasets/       with evaluate.datasets: each one's figures before and after (posegen.scoring.folder)
estimator.safetensors  the fine-tuned weights: ``--set estimator.checkpoint=...`` uses them
result.json     the outcome; a run that has it is complete
report.html     with ``posegen report``: what it fails on, in pictures
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from posegen.checkpoint import write_text
from posegen.errors import UsageError
from posegen.files import read_json, reason

INPUTS = "inputs.json"


class RunDirectory:
    """Opens ``path`` for one run at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = path / "run.toml"
        self.environment = path / "env.json"
        self.metrics = path / "metrics.jsonl"
        self.samples = path / "samples.json"
        self.result = path / "result.json"
        self.generator = path / "checkpoints" / "generator.safetensors"
        self.finetuning = path / "checkpoints" / "finetuning.safetensors"
        self.estimator = path / "estimator.safetensors"
        self.dataset = path / "dataset"
        self.datasets = path / "datasets"

    @contextmanager
    def opened(self, *, resume: bool) -> Iterator[RunDirectory]:
        """Claim the directory. Raises UsageError if it holds a run already, or is in use by another process."""
        if resume and not self.settings.is_file():
            raise UsageError(f"{self.path} holds no run to resume", "give the --out of the interrupted run")
        file = self.path / ".lock"
        try:
            if not resume and not file.exists():
                self._refuse_content()  # before the lock: none is left in a folder that is not ours
            self.path.mkdir(parents=True, exist_ok=True)
            lock = file.open("a")
        except OSError as error:
            raise UsageError(f"{self.path} cannot be used: {reason(error)}", "choose another --out") from error
        with lock:
            _lock(lock, self.path)
            if not resume:
                self._refuse_content()
            for part in [*self.path.rglob(".*.part")]:
                _remove(part)  # a process that was killed amid writing left it
            try:
                yield self
            finally:
                if [part.name for part in self.path.iterdir()] == [file.name]:  # what was asked for cannot be
                    file.unlink()
                    self.path.rmdir()

    def once(self, name: str, make: Callable[[], dict[str, Any]], *keys: str) -> dict[str, Any]:
        """The JSON file ``name``: read it, or make its content and write it.

        keys: what it must have. Raises AssetError if it is damaged or cannot be read.
        """
        path = self.path / name
        if path.exists():
            return read_json(path, "delete it and run with --resume", keys)
        content = make()
        self.write(name, content)
        return content

    def write(self, name: str, content: dict[str, Any]) -> None:
        """The JSON file ``name``, anew. Raises PosegenError if it cannot be written."""
        write_text(self.path / name, json.dumps(content, indent=1) + "\n")

    def _refuse_content(self) -> None:
        if self.path.exists() and any(p.name != ".lock" for p in self.path.iterdir()):
            raise UsageError(f"{self.path} is not empty", "go on with --resume, or choose another --out")


def _remove(part: Path) -> None:
    """A file, or a folder with all that is in it (``film`` writes such)."""
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)


def _lock(file: TextIO, path: Path) -> None:
    """An advisory lock that the system releases when the process ends, however it ends."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:  # Windows says the latter
        raise UsageError(f"another run is using {path}", "wait for it, or choose another --out") from error
    except OSError as error:  # some network file systems have no locks
        raise UsageError(f"{path} cannot be locked: {reason(error)}", "choose another --out") from error
