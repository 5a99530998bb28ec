"""Runs that take a second: small numbers for every setting, and what two runs are compared by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from posegen import assemble, config
from posegen.settings import Settings
from posegen.track import Phase

TINY: dict[str, Any] = {
    "estimator": "tiny",
    "renderer": "mesh",
    "camera.size": 64,
    "generator.width": 16,
    "generator.lr": 1e-4,
    "generator.discriminator_lr": 1e-4,
    "discriminator.width": 16,
    "discriminator.out_width": 16,
    "feedback.mode": "label",
    "feedback.every": 2,
    "feedback.samples": 3,
    "feedback.w1": 1,
    "feedback.w2": 0.1,
    "feedback.w3": 0,
    "feedback.w4": 0,
    "loop.rounds": 1,
    "loop.warmup": 5,
    "loop.iterations": 6,
    "loop.batch": 8,
    "loop.samples": 6,
    "loop.others": [],
    "loop.company": 0,
    "loop.real": 0,
    "loop.level": 0,
    "finetune.epochs": 2,
    "finetune.batch": 4,
    "finetune.lr": 1e-3,
    "finetune.d": 10,
    "finetune.over_d": "drop",
    "finetune.copies": 1,
    "retain.photos": 0,
    "retain.renders": 0,
    "retain.replay": 0.3,
    "retain.repeats": 4,
    "retain.share": 0.5,
    "retain.subjects": [],
    "retain.average": 1,
    "evaluate.samples": 3,
    "evaluate.splits": ["usd"],
}
"""What the expectations depend on is said here, whatever the recipe ``quick`` says."""


def assignments(**changes: Any) -> list[str]:
    """The values of ``--set``; a dot in a key is written ``__``."""
    values = TINY | {key.replace("__", "."): value for key, value in changes.items()}
    return [f"{key}={json.dumps(value)}" for key, value in values.items()]


def settings(**changes: Any) -> Settings:
    configuration = config.load(["quick"], {}, assignments(**changes))
    return assemble.complete(configuration.settings, configuration.given)


def arguments(verb: str, out: Path, **changes: Any) -> list[str]:
    """The same as a command line."""
    return [verb, "--out", str(out), *(part for a in assignments(**changes) for part in ("--set", a))]


def figures(out: Path) -> dict[str, Any]:
    """result.json without the time that it took."""
    result: dict[str, Any] = json.loads((out / "result.json").read_text("utf-8"))
    del result["seconds"]
    return result


def files(out: Path) -> dict[str, str]:
    """What a run wrote, but for the machine and the time: path -> sha256."""
    own = {"env.json", "result.json", ".lock"}
    paths = sorted(p for p in out.rglob("*") if p.is_file() and p.name not in own)
    return {p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


def metrics(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text("utf-8").splitlines()]


def same(one: Path, other: Path) -> None:
    """Two runs must agree to the last bit."""
    assert figures(one) == figures(other)
    assert files(one) == files(other)


@contextmanager
def ctrl_c(phase: str, iteration: int = 1) -> Iterator[None]:
    """Ctrl-C when ``iteration`` of ``phase`` is over. Fails if that moment never comes."""
    advance = Phase.advance

    def advance_and_stop(self: Phase, losses: Any = None, by: int = 1) -> None:
        advance(self, losses, by)
        if self.name == phase and self.iteration >= iteration:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Phase, "advance", advance_and_stop)
        yield
