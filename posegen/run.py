"""The stages of ``posegen run``: measure, generate, fine-tune, measure again. Each can be left and taken up again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console

from posegen import alarms, banks, checkpoint, states
from posegen.appearance import Appearance
from posegen.assemble import Parts, assemble
from posegen.banks import Bank
from posegen.config import to_toml
from posegen.datasets import generated, open, replay
from posegen.datasets.generated import Samples
from posegen.datasets.motion import read_motion
from posegen.datasets.photos import read_folder
from posegen.datasets.poses import RealPoses
from posegen.datasets.registry import parse
from posegen.doctor import environment
from posegen.errors import AssetError, PosegenError, UsageError
from posegen.evaluate import PROTOCOL, Figures, belong, compare, measure, summarise
from posegen.finetune import Finetuning
from posegen.generate import in_distribution, render_samples
from posegen.loop import PoseGen
from posegen.report import summary
from posegen.rundir import RunDirectory
from posegen.seeding import seed_torch, stream
from posegen.track import Track

if TYPE_CHECKING:
    from torch import Tensor

    from posegen.settings import Settings

SAVE_EVERY = 100  # iterations of the generator between two checkpoints


def run(settings: Settings, out: Path, *, resume: bool = False, console: Console | None = None) -> dict[str, Any]:
    """The whole pipeline in one run directory; -> the content of ``result.json``."""
    with _opened(settings, out, resume, console) as stages:
        result = stages.complete()
        stages.track.console.print(summary.before_after(result))
        stages.say(f"everything is in {out}; the weights: {stages.directory.estimator.name}")
        return result


def generate(settings: Settings, out: Path, *, resume: bool = False, console: Console | None = None) -> Path:
    """The first stage alone: train the generator, draw a dataset; -> its folder."""
    with _opened(settings, out, resume, console, finetunes=False) as stages:
        stages.generate(stages.method(), 0)
        stages.say(f"the dataset is in {stages.folder(0)}")
        return stages.folder(0)


def finetune(
    settings: Settings, out: Path, *, dataset: Path, resume: bool = False, console: Console | None = None
) -> Path:
    """The second stage alone: fine-tune on a dataset that ``generate`` wrote; -> the file of the new weights."""
    with _opened(settings, out, resume, console) as stages:
        samples = generated.load(dataset, joint_set=stages.estimator.joint_set)
        tuning = stages.tuning(len(samples), stages.people())
        stages.finetune(tuning, 0, samples)
        stages.finish(tuning)
        stages.say(f"the weights are in {stages.directory.estimator}")
        return stages.directory.estimator


def evaluate(settings: Settings, *, console: Console | None = None) -> dict[str, Any]:
    """The third stage alone: the estimator's figures on the splits of the open benchmark, with intervals."""
    stages = Run(assemble(settings, finetunes=False), settings, RunDirectory(Path()), Track(None, console))
    with torch.random.fork_rng():
        figures = stages.figures(stages.shots(), "measure")
    result = {name: summarise(values, settings.evaluate.bootstrap) for name, values in figures.items()}
    stages.track.console.print(summary.figures(settings.estimator.name, result, PROTOCOL))
    return result


@contextmanager
def _opened(
    settings: Settings, out: Path, resume: bool, console: Console | None, *, finetunes: bool = True
) -> Iterator[Run]:
    """Claim the directory, write down what reproduces the run, assemble the components."""
    directory, text = RunDirectory(out), to_toml(settings)
    with directory.opened(resume=resume):
        if resume and directory.settings.read_text(encoding="utf-8") != text:
            raise UsageError(
                f"{out} was started with other settings", f"posegen run --resume --out {out}  takes its own"
            )
        parts = assemble(settings, finetunes=finetunes)
        stages = Run(parts, settings, directory, Track(directory.metrics, console))
        if not resume:
            checkpoint.write_text(directory.settings, text)
        if not directory.environment.is_file():
            checkpoint.write_text(directory.environment, json.dumps(environment(), indent=1) + "\n")
        with torch.random.fork_rng():
            yield stages


@dataclass
class Run:
    """The stages over live components."""

    parts: Parts
    settings: Settings
    directory: RunDirectory
    track: Track

    def __post_init__(self) -> None:
        open.check(self.settings.evaluate.splits)
        self.estimator = self.parts.estimator
        self.joint_set = self.parts.renderer.body.joint_set(self.estimator.joint_set)
        source, body = self.settings.real_poses, self.parts.renderer.body
        clips = read_motion(source, body.rest_joints) if source else self.parts.motion.clips("train")
        self.real_poses = RealPoses(clips, device=self.settings.device)
        if self.settings.retain.dataset:
            parse(self.settings.retain.dataset)  # a name that is wrong is told before hours have passed
        self.appearance = Appearance(self.settings.appearance, self.parts.photos.backgrounds("train"))
        if self.estimator.module is not None:
            self.estimator.module.requires_grad_(False).eval()

    def complete(self) -> dict[str, Any]:
        """Every stage that is not done yet; -> the result."""
        if self.directory.result.is_file():
            return self.directory.once("result.json", dict)
        people, splits = self.people(), self.shots()
        before = self.directory.once("before.json", lambda: self.figures(splits, "measure before"))
        if not belong(before, splits):
            raise AssetError(f"{self.directory.path / 'before.json'} is of other images", "delete it and use --resume")
        method, tuning = self.method(), self.tuning(self.settings.loop.samples, people)
        pool: list[Samples] = []
        for round_ in range(self.settings.loop.rounds):
            pool.append(self.generate(method, round_))
            self.finetune(tuning, round_, generated.concatenate(pool))
        self.finish(tuning)
        after = self.figures(splits, "measure after")
        return self.directory.once("result.json", lambda: self.result(before, after))

    def shots(self) -> list[open.Shots]:
        """The splits of the open benchmark."""
        names = self.settings.evaluate.splits
        splits = []
        with self.track.phase("draw the benchmark", len(names)) as phase:
            for name in names:
                shots = open.shots(
                    name,
                    self.estimator.joint_set,
                    motion=self.parts.motion,
                    photos=self.parts.photos,
                    mesh=self.parts.mesh,
                    samples=self.settings.evaluate.samples,
                )
                splits.append(shots)
                phase.advance()
        return splits

    def figures(self, splits: list[open.Shots], name: str) -> Figures:
        figures = {}
        self.seed_torch("measure")
        with self.track.phase(name, len(splits)) as phase:
            for shots in splits:
                figures[shots.name] = measure(self.estimator, shots)
                phase.advance()
        return figures

    def method(self) -> PoseGen:
        """Generator and discriminator, where the run left them."""
        method = PoseGen(
            renderer=self.parts.renderer,
            estimator=self.estimator,
            prior=self.parts.prior,
            discriminator=self.parts.discriminator,
            real_poses=self.real_poses,
            appearance=self.appearance,
            settings=self.settings,
            rng=self.stream("generator"),
        )
        if self.directory.generator.is_file():
            states.load_generator(self.directory.generator, method)
        return method

    def generate(self, method: PoseGen, round_: int) -> Samples:
        """Train the generator against the present estimator and draw this round's samples."""

        def proposals() -> tuple[Tensor, Tensor]:
            loop = self.settings.loop
            self.train(method, "warm-up", loop.warmup)
            self.train(method, f"feedback {round_}", loop.warmup + (round_ + 1) * loop.iterations)
            return method.draw(loop.samples, self.stream("draw", round_))

        return self.rendered(self.folder(round_), proposals)

    def train(self, method: PoseGen, name: str, until: int) -> None:
        """Generator and discriminator up to iteration ``until``, saved every now and then."""
        if method.iteration >= until:
            return
        with self.track.phase(name, until, done=method.iteration) as phase:
            self.seed_torch("generator", method.iteration)
            for losses in method.train(until):
                phase.advance(losses)
                if method.iteration % SAVE_EVERY == 0 or method.iteration == until:
                    phase.flush()
                    states.save_generator(self.directory.generator, method)
                    self.seed_torch("generator", method.iteration)

    def rendered(
        self, folder: Path, proposals: Callable[[], tuple[Tensor, Tensor]], subjects: tuple[str, ...] = ()
    ) -> Samples:
        """Poses and views as a dataset: read from the folder, or drawn and written there.

        subjects: whom the mesh renderer draws in turn; none is whom the run's renderer draws.
        """
        joint_set = self.estimator.joint_set
        if (folder / "dataset.json").is_file():
            return generated.load(folder, joint_set=joint_set)
        theta, view = proposals()
        renderers = [self.parts.mesh(subject) for subject in subjects] or [self.parts.renderer]
        self.seed_torch("draw", folder.name)
        with self.track.phase(f"draw {folder.name}", len(theta)) as phase:
            batches = []
            for batch in chain.from_iterable(
                render_samples(
                    theta[i :: len(renderers)],
                    view[i :: len(renderers)],
                    renderer=renderer,
                    estimator=self.estimator,
                    appearance=self.appearance,
                    camera=self.settings.camera,
                    rng=self.stream("look", folder.name, i),
                )
                for i, renderer in enumerate(renderers)
            ):
                alarms.check_finite(f"draw {folder.name}", {"truth": batch.truth, "error": batch.error}, alarms.PARTS)
                batches.append(batch)
                phase.advance(by=len(batch))
            samples = generated.concatenate(batches)
            if not len(samples):
                raise PosegenError(f"draw {folder.name}: no picture shows a person", alarms.PARTS)
            generated.save(samples, folder, joint_set=joint_set)
        return samples

    def replayed(self, count: int) -> Samples:
        """Labelled pictures of ``retain.dataset``: read from the run's folder, or drawn and written there."""
        folder, joint_set = self.directory.dataset / "replay-dataset", self.estimator.joint_set
        if (folder / "dataset.json").is_file():
            return generated.load(folder, joint_set=joint_set)
        dataset = replay.open_source(str(self.settings.retain.dataset))
        with self.track.phase(f"read {dataset.name}", 1) as phase:
            samples = replay.draw(dataset, count, self.parts.renderer.body, joint_set, self.stream("replay-dataset"))
            phase.advance()
        generated.save(samples, folder, joint_set=joint_set)
        return samples

    def people(self) -> Tensor | None:
        """Photographs to retain, if any. Raises AssetError for a folder that cannot be used."""
        retain = self.settings.retain
        if not retain.photos:
            return None
        return self.parts.photos.people("train") if retain.folder is None else read_folder(retain.folder)

    def bank(self, name: str, make: Callable[..., Bank]) -> Bank:
        """A bank of crops, in appearances of its own random stream."""
        with self.track.phase(f"prepare {name}", 1) as phase:
            made = make(self.estimator, self.appearance, self.settings.finetune.copies, self.stream("prepare", name))
            phase.advance()
        return made

    def tuning(self, samples: int, people: Tensor | None) -> Finetuning:
        """Fine-tuning where the run left it. What it recalls comes from the original estimator, so that comes first."""
        retain, labelled, recall = self.settings.retain, None, []
        if people is not None:
            recall.append((retain.photos, self.bank("photos", lambda *how: banks.photographs(people, *how))))
        if retain.replay and retain.dataset:
            shown = self.replayed(max(1, round(retain.replay * samples)))
            labelled = self.bank("replay", lambda *how: banks.labelled(shown, *how))
        if retain.renders or (retain.replay and not retain.dataset):
            count = max(1, round((retain.replay + retain.renders) * samples))
            renders = self.rendered(
                self.directory.dataset / "replay",
                lambda: in_distribution(count, self.real_poses, self.stream("replay"), retain.facing),
                retain.subjects,
            )
            if retain.replay and not retain.dataset:
                labelled = self.bank("replay", lambda *how: banks.labelled(renders, *how))
            if retain.renders:
                recall.append((retain.renders, self.bank("renders", lambda *how: banks.recalled(renders, *how))))
        tuning = Finetuning(
            self.estimator,
            self.joint_set,
            replay=labelled,
            recall=recall,
            settings=self.settings.finetune,
            retain=retain,
        )
        if self.directory.finetuning.is_file():
            states.load_finetuning(self.directory.finetuning, tuning)
        return tuning

    def finetune(self, tuning: Finetuning, round_: int, samples: Samples) -> None:
        """Fine-tune on the samples drawn so far, epoch by epoch, each one saved."""
        epochs, steps = self.settings.finetune.epochs, tuning.steps(len(samples))
        first, until = round_ * epochs, (round_ + 1) * epochs
        if tuning.epochs >= until:
            return
        pool = self.bank(f"samples {round_}", lambda *how: banks.labelled(samples, *how))
        with self.track.phase(f"fine-tune {round_}", epochs * steps, done=(tuning.epochs - first) * steps) as phase:
            while tuning.epochs < until:
                self.seed_torch("fine-tune", tuning.epochs)
                for losses in tuning.epoch(pool, self.stream("fine-tune", tuning.epochs)):
                    phase.advance(losses)
                phase.flush()
                states.save_finetuning(self.directory.finetuning, tuning)

    def finish(self, tuning: Finetuning) -> None:
        """Average the weights, and write them where they can be used."""
        tuning.average()
        checkpoint.save_tensors(self.directory.estimator, tuning.module.state_dict())

    def result(self, before: Figures, after: Figures) -> dict[str, Any]:
        """The content of result.json: figures with intervals, and the paired change on every split."""
        resamples = self.settings.evaluate.bootstrap
        return {
            "seed": self.settings.seed,
            "estimator": self.settings.estimator.name,
            "renderer": self.settings.renderer.name,
            "protocol": PROTOCOL,
            "splits": {name: compare(before[name], after[name], resamples) for name in before},
            "seconds": self.track.seconds,
        }

    def folder(self, round_: int) -> Path:
        return self.directory.dataset / f"round-{round_}"

    def stream(self, *names: str | int) -> torch.Generator:
        return stream(self.settings.seed, *names)

    def seed_torch(self, *names: str | int) -> None:
        seed_torch(self.settings.seed, *names)

    def say(self, text: str) -> None:
        self.track.console.print(text, markup=False, highlight=False)
