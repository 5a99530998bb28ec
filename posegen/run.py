"""``posegen run``: measure, generate, fine-tune, measure again; every stage can be left and taken up again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console

from posegen import checkpoint, resume
from posegen.appearance import Appearance
from posegen.assemble import Parts, assemble
from posegen.config import to_toml
from posegen.datasets import generated, open
from posegen.datasets.generated import Samples
from posegen.datasets.photos import read_folder
from posegen.datasets.poses import RealPoses
from posegen.doctor import environment
from posegen.evaluate import PROTOCOL, Figures, compare, measure
from posegen.finetune import Finetuning, anchors
from posegen.generate import in_distribution, render_samples
from posegen.loop import PoseGen
from posegen.rundir import RunDirectory
from posegen.seeding import stream
from posegen.track import Track

if TYPE_CHECKING:
    from torch import Tensor

    from posegen.settings import Settings

SAVE_EVERY = 100  # iterations of the generator between two checkpoints
REPLAY_SHARE = 0.5  # in-distribution renders, as a share of the generated samples of a run


def run(settings: Settings, out: Path, *, go_on: bool = False, console: Console | None = None) -> dict[str, Any]:
    """The whole pipeline in one run directory; -> the content of ``result.json``."""
    directory = RunDirectory(out)
    parts = assemble(settings)
    with directory.opened(resume=go_on):
        if not go_on:
            checkpoint.write_text(directory.settings, to_toml(settings))
            checkpoint.write_text(directory.environment, json.dumps(environment(), indent=1) + "\n")
        return Run(parts, settings, directory, Track(directory.metrics, console)).complete()


@dataclass
class Run:
    """The stages of one run over live components."""

    parts: Parts
    settings: Settings
    directory: RunDirectory
    track: Track

    def __post_init__(self) -> None:
        parts, settings = self.parts, self.settings
        torch.manual_seed(settings.seed)  # for plugins that draw from the global generator against the rules
        self.estimator = parts.estimator
        self.joint_set = parts.renderer.body.joint_set(self.estimator.joint_set)
        self.real_poses = RealPoses(parts.motion.clips("train"), device=settings.device)
        self.appearance = Appearance(settings.appearance, parts.photos.backgrounds("train"))
        assert self.estimator.module is not None
        self.module = self.estimator.module.requires_grad_(False).eval()

    def complete(self) -> dict[str, Any]:
        if self.directory.result.is_file():
            return dict(self.directory.once("result.json", dict))
        splits = self.shots()
        before = self.directory.once("before.json", lambda: self.figures(splits, "measure before"))
        method, tuning = self.method(), self.tuning()
        if self.directory.generator.is_file():
            resume.load_generator(self.directory.generator, method)
        if self.directory.finetuning.is_file():
            resume.load_finetuning(self.directory.finetuning, tuning)
        pool: list[Samples] = []
        for round_ in range(self.settings.loop.rounds):
            pool.append(self.generate(method, round_))
            self.finetune(tuning, round_, generated.concatenate(pool))
        tuning.average()
        checkpoint.save_tensors(self.directory.estimator, self.module.state_dict())
        after = self.figures(splits, "measure after")
        return dict(self.directory.once("result.json", lambda: self.result(before, after)))

    def shots(self) -> list[open.Shots]:
        names = self.settings.evaluate.splits
        with self.track.phase("draw the benchmark", len(names)) as phase:
            splits = []
            for name in names:
                splits.append(
                    open.shots(
                        name,
                        self.estimator.joint_set,
                        motion=self.parts.motion,
                        photos=self.parts.photos,
                        mesh=self.parts.mesh,
                        samples=self.settings.evaluate.samples,
                    )
                )
                phase.advance()
        return splits

    def figures(self, splits: list[open.Shots], phase_name: str) -> Figures:
        """-> {split: {metric: one number an image}}."""
        figures = {}
        with self.track.phase(phase_name, len(splits)) as phase:
            for shots in splits:
                figures[shots.name] = measure(self.estimator, shots)
                phase.advance()
        return figures

    def method(self) -> PoseGen:
        return PoseGen(
            renderer=self.parts.renderer,
            estimator=self.estimator,
            prior=self.parts.prior,
            discriminator=self.parts.discriminator,
            real_poses=self.real_poses,
            appearance=self.appearance,
            settings=self.settings,
            rng=self.stream("generator"),
        )

    def tuning(self) -> Finetuning:
        """Fine-tuning with its anchors; both are made while the estimator is still the original one."""
        retain, photos, replay = self.settings.retain, None, None
        if retain.photos:
            people = self.parts.photos.people("train") if retain.folder is None else read_folder(retain.folder)
            photos = anchors(people, self.estimator, self.stream("anchors"))
        if retain.replay:
            count = max(1, round(REPLAY_SHARE * self.settings.loop.samples))
            replay = self.rendered("replay", *in_distribution(count, self.real_poses, self.stream("replay")))
        return Finetuning(
            self.estimator,
            self.joint_set,
            replay=replay,
            photos=photos,
            appearance=self.appearance,
            settings=self.settings.finetune,
            retain=retain,
            lr=self.settings.finetune.lr or self.estimator.options.lr,
        )

    def generate(self, method: PoseGen, round_: int) -> Samples:
        """Train the generator against the present estimator and draw this round's samples."""
        loop = self.settings.loop
        rounds = (("warm-up", loop.warmup), (f"feedback {round_}", loop.warmup + (round_ + 1) * loop.iterations))
        for name, until in rounds:
            if method.iteration >= until:
                continue
            with self.track.phase(name, until) as phase:
                phase.advance(by=method.iteration)
                for losses in method.train(until):
                    phase.advance(losses)
                    if method.iteration % SAVE_EVERY == 0 or method.iteration == until:
                        phase.flush()
                        resume.save_generator(self.directory.generator, method)
        theta, view = method.draw(loop.samples, self.stream("draw", round_))
        return self.rendered(f"round-{round_}", theta, view)

    def rendered(self, name: str, theta: Tensor, view: Tensor) -> Samples:
        """The dataset ``name``: read from the run directory, or drawn and written there."""
        folder = self.directory.dataset / name
        if (folder / "dataset.json").is_file():
            return generated.load(folder)
        with self.track.phase(f"draw {name}", len(theta)) as phase:
            batches = []
            for batch in render_samples(
                theta,
                view,
                renderer=self.parts.renderer,
                estimator=self.estimator,
                appearance=self.appearance,
                camera=self.settings.camera,
                rng=self.stream("draw", name),
            ):
                batches.append(batch)
                phase.advance(by=len(batch))
            samples = generated.concatenate(batches)
            generated.save(samples, folder, joint_set=self.estimator.joint_set)
        return samples

    def finetune(self, tuning: Finetuning, round_: int, fresh: Samples) -> None:
        """Fine-tune on this round's samples, epoch by epoch, each one saved."""
        settings = self.settings.finetune
        with self.track.phase(f"fine-tune {round_}", settings.epochs * tuning.steps(fresh)) as phase:
            for epoch in range(round_ * settings.epochs, (round_ + 1) * settings.epochs):
                if epoch < tuning.epochs:
                    phase.advance(by=tuning.steps(fresh))
                    continue
                for losses in tuning.epoch(fresh, self.stream("fine-tune", epoch)):
                    phase.advance(losses)
                phase.flush()
                resume.save_finetuning(self.directory.finetuning, tuning)

    def result(self, before: Figures, after: Figures) -> dict[str, Any]:
        """The content of result.json: figures with intervals, and the paired change of MPJPE on every split."""
        resamples = self.settings.evaluate.bootstrap
        return {
            "seed": self.settings.seed,
            "estimator": self.settings.estimator.name,
            "renderer": self.settings.renderer.name,
            "protocol": PROTOCOL,
            "splits": {name: compare(before[name], after[name], resamples) for name in before},
            "seconds": self.track.seconds,
        }

    def stream(self, *names: str | int) -> torch.Generator:
        return stream(self.settings.seed, *names)
