"""The verbs ``run``, ``generate``, ``finetune`` and ``evaluate`` as functions: one directory, some of the stages."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console

from posegen import assets, checkpoint, elsewhere, retention, stages
from posegen.assemble import Parts, assemble, bench, check_people
from posegen.config import difference, to_table, to_toml
from posegen.context import Context
from posegen.datasets import generated, open
from posegen.doctor import environment
from posegen.errors import AssetError, UsageError
from posegen.evaluate import GROUPINGS, PROTOCOL, broken_down, summarise
from posegen.report import scores, summary
from posegen.rundir import INPUTS, RunDirectory
from posegen.track import Track

if TYPE_CHECKING:
    from posegen.settings import Settings

WORST = "usd"  # the split of all viewpoints, whose parts a run shows
SHOWN = "s0"  # who stands in it, whoever was drawn


def run(settings: Settings, out: Path, *, resume: bool = False, console: Console | None = None) -> dict[str, Any]:
    """The whole pipeline in one run directory; -> the content of ``result.json``."""
    if not RunDirectory(out).result.is_file():  # a complete run says its result again, whatever became of its datasets
        elsewhere.check(settings)
    with _opened(settings, out, resume, console) as context:
        _check_generates(context.directory)
        result = stages.complete(context)
        if result["splits"]:
            context.track.console.print(summary.before_after(result))
        if (who := settings.renderer.options.get("subject", SHOWN)) != SHOWN and WORST in result["splits"]:
            context.say(f"usd and ind show {SHOWN}, not {who}: so the gain there is not this person's")
        if WORST in result.get("by", {}):
            context.track.console.print(summary.parts_before_after(result, WORST))
        if "datasets" in result:
            context.track.console.print(summary.datasets(result))
        if not context.directory.estimator.is_file():
            raise AssetError(
                f"this run is complete, but its weights are gone: {context.directory.estimator} does not exist",
                f"delete {context.directory.result.name} there: --resume then writes both again",
            )
        context.say(f"everything is in {out}; the weights: {context.directory.estimator.name}")
        if result["splits"]:
            context.say(f"its worst pictures and maps of its errors: posegen report {shlex.quote(str(out))}")
        return result


def generate(settings: Settings, out: Path, *, resume: bool = False, console: Console | None = None) -> Path:
    """The first stage alone: train the generator, draw a dataset; -> its folder."""
    with _opened(settings, out, resume, console, finetunes=False) as context:
        _check_generates(context.directory)
        stages.generate(context, stages.make_method(context), 0)
        if (rounds := settings.loop.rounds) > 1:
            context.say(f"this is the first of {rounds} rounds: the others look at what it makes of the estimator")
        context.say(f"the dataset is in {context.folder(0)}")
        return context.folder(0)


def finetune(
    settings: Settings, out: Path, *, dataset: Path, resume: bool = False, console: Console | None = None
) -> Path:
    """The second stage alone: fine-tune on a dataset that ``generate`` wrote; -> the file of the new weights."""
    generated.describe(dataset)  # before a folder is made
    with _opened(settings, out, resume, console, draws=False, dataset=dataset) as context:
        samples = generated.load(dataset, joint_set=context.estimator.joint_set)
        _check_dataset(context.directory, dataset)
        samples = stages.kept(context, 0, samples)
        sizes = [len(samples)]
        tuning = retention.tuning(context, sizes, retention.people(context, sizes))
        stages.finetune(context, tuning, 0, samples)
        stages.finish(context, tuning)
        context.say(f"the weights are in {context.directory.estimator}")
        return context.directory.estimator


def evaluate(
    settings: Settings, *, by: Sequence[str] = (), out: Path | None = None, console: Console | None = None
) -> dict[str, Any]:
    """The third stage alone: the estimator's figures on the splits of the open benchmark, with intervals.

    by: also show these groupings of their pictures. Raises UsageError for one that there is not.  out: a new folder for
    ``result.json``, the settings and the figures. Raises UsageError for one that holds something.
    """
    scores.check_groupings("the open benchmark", by, tuple(GROUPINGS))
    open.check(settings.evaluate.splits)
    if not settings.evaluate.splits:
        raise UsageError("evaluate.splits is empty: there is nothing to measure", "--dataset NAME  measures a dataset")
    with RunDirectory(out).opened(resume=False) if out else nullcontext() as directory:
        parts, track = bench(settings), Track(None, console)
        with torch.random.fork_rng():
            splits = stages.shots(parts, settings, track)
            figures = stages.figures(parts, splits, settings, track)
        result = {split.name: summarise(figures[split.name], clips=split.clips) for split in splits}
        name, weights = settings.estimator.name, summary.weights(parts.estimator)
        track.console.print(summary.figures(summary.title(name, weights), result, PROTOCOL))
        broken = {split.name: broken_down(split, summarise, figures[split.name]) for split in splits if by}
        for grouping in by:
            track.console.print(summary.parts(grouping, {split: each[grouping] for split, each in broken.items()}))
        if directory:
            about = {"estimator": name, "weights": weights, "protocol": PROTOCOL, "settings": to_table(settings)}
            directory.write(directory.result.name, about | {"splits": result, "by": broken})
    return result


def _check_generates(directory: RunDirectory) -> None:
    """Raises UsageError for a directory of ``finetune``, whose samples come from elsewhere."""
    if directory.samples.is_file():
        dataset = directory.once(directory.samples.name, dict, "dataset")["dataset"]
        raise UsageError(
            f"{directory.path} is of posegen finetune",
            shlex.join(("posegen", "finetune", "--resume", "--dataset", dataset, "--out", str(directory.path))),
        )


def _check_dataset(directory: RunDirectory, dataset: Path) -> None:
    """Raises UsageError for another dataset than the one that this fine-tuning was started with, and for a run's
    directory."""
    begun = (directory.finetuning, directory.generator, directory.path / "before.json")
    if not directory.samples.is_file() and any(file.is_file() for file in begun):
        again = shlex.join(("posegen", "run", "--resume", "--out", str(directory.path)))
        raise UsageError(f"{directory.path} is of posegen run", again)
    labels = assets.sha256(dataset / "labels.safetensors")
    now = {"dataset": str(dataset.absolute()), "labels": labels}
    first = directory.once(directory.samples.name, lambda: now, *now)
    if first["labels"] != labels:
        raise UsageError(
            f"{directory.path} was started with another dataset",
            f"give --dataset {shlex.quote(first['dataset'])}, or another --out",
        )


def _check_wanted(context: Context, draws: bool, finetunes: bool, dataset: Path | None) -> None:
    """Raises a PosegenError for people, motion, pictures or labels that are not there: before anything is written."""
    settings, sizes = context.settings, stages.sizes(context.settings.loop)
    check_people(settings, context.parts, settings.loop.others if draws else ())
    if draws:
        _ = context.real_poses  # read now, and not after an hour
    if dataset is not None:
        samples = len(generated.read_labels(dataset, joint_set=context.estimator.joint_set)["view"])
        sizes = [min(samples, settings.loop.keep or samples)]
    if finetunes:
        retention.check(context, sizes)


def _check_unchanged(directory: RunDirectory, settings: Settings, parts: Parts) -> None:
    """Raises UsageError where the original weights, or a file of somebody who is drawn, are others than at the start.

    Settings name them by asset or path, which may hold something else by now: a run of two networks means nothing.
    """
    module = parts.estimator.module
    people = (settings.renderer.options.get("subject"), *settings.loop.others, *settings.retain.subjects)
    files = sorted({str(who) for who in people if who and Path(str(who)).suffix and Path(str(who)).is_file()})
    now = {file: assets.sha256(Path(file)) for file in files}
    if module is not None:
        now[f"weights of {settings.estimator.name}"] = checkpoint.fingerprint(module)
    first = directory.once(INPUTS, lambda: now)
    if changed := [name for name, digest in first.items() if now.get(name) != digest]:
        raise UsageError(
            f"{directory.path} was started with other files than there are now: {', '.join(changed)}",
            "put them back, or start anew elsewhere",
        )


@contextmanager
def _opened(
    settings: Settings,
    out: Path,
    resume: bool,
    console: Console | None,
    *,
    draws: bool = True,
    finetunes: bool = True,
    dataset: Path | None = None,
) -> Iterator[Context]:
    """Claim the directory, write down what reproduces the run, assemble the components.

    draws, finetunes, dataset: whether it draws samples, fine-tunes, and on which dataset if not on what it draws.
    """
    directory, text = RunDirectory(out), to_toml(settings)
    with directory.opened(resume=resume):
        if resume and (first := directory.settings.read_text(encoding="utf-8")) != text:
            raise UsageError(
                f"{out} was started with other settings, or by a version of posegen that has other ones: "
                f"{difference(first, settings)}",
                f"give its own {directory.settings.name}; env.json names the version. Or start anew elsewhere",
            )
        parts = assemble(settings, finetunes=finetunes)
        context = Context(parts, settings, directory, Track(directory.metrics, console, whole=not resume))
        if not directory.result.is_file():
            _check_wanted(context, draws, finetunes, dataset)
        if not resume:
            checkpoint.write_text(directory.settings, text)
        if not directory.environment.is_file():
            checkpoint.write_text(directory.environment, json.dumps(environment(), indent=1) + "\n")
        if not directory.result.is_file():
            _check_unchanged(directory, settings, parts)
        with torch.random.fork_rng():
            yield context
