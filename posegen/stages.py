"""The stages of a run: measure, generate, fine-tune, measure again. Each can be left and taken up again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from posegen import alarms, banks, checkpoint, drawing, elsewhere, hardest, proposals, retention, states
from posegen.datasets import generated, open
from posegen.errors import AssetError
from posegen.evaluate import PROTOCOL, Figures, belong, broken_down, compare, measure
from posegen.loop import PoseGen
from posegen.report import summary
from posegen.seeding import seed_torch

if TYPE_CHECKING:
    from torch import Tensor

    from posegen.assemble import Bench
    from posegen.context import Context
    from posegen.datasets.generated import Samples
    from posegen.finetune import Finetuning
    from posegen.settings import LoopSettings, Settings
    from posegen.track import Track

SAVE_EVERY = 100  # iterations of the generator between two checkpoints
LEAST_KEPT = 0.1  # of a round's samples: from fewer, next to nothing is learned


def complete(context: Context) -> dict[str, Any]:
    """Every stage that is not done yet; -> the content of ``result.json``."""
    directory, loop = context.directory, context.settings.loop
    if directory.result.is_file():
        return directory.once("result.json", dict, "estimator", "protocol", "splits")
    parts, settings, track = context.parts, context.settings, context.track
    people, splits = retention.people(context, sizes(loop)), shots(parts, settings, track)
    before = directory.once("before.json", lambda: figures(parts, splits, settings, track, "measure before"))
    if not belong(before, splits):
        raise AssetError(f"{directory.path / 'before.json'} is of other images", "delete it and use --resume")
    before_elsewhere = elsewhere.measured(context, "before")
    method, tuning = make_method(context), retention.tuning(context, sizes(loop), people)
    pool: list[Samples] = []
    for round_ in range(loop.rounds):
        check_order(context, method, tuning, round_)
        pool.append(generate(context, method, round_))
        finetune(context, tuning, round_, kept(context, round_, generated.concatenate(pool)))
    finish(context, tuning)
    after = figures(parts, splits, settings, track, "measure after")
    directory.write("after.json", after)
    others = elsewhere.compared(before_elsewhere, elsewhere.measured(context, "after"))
    pace = {"lr": tuning.lr, **tuning.pace._asdict()}
    return directory.once("result.json", lambda: {**result(context, splits, before, after), "pace": pace, **others})


def shots(bench: Bench, settings: Settings, track: Track) -> list[open.Shots]:
    """The splits of the open benchmark."""
    chosen, splits = settings.evaluate, []
    with track.phase("draw the benchmark", len(chosen.splits)) as phase:
        for name in chosen.splits:
            drawn = open.shots(
                name,
                bench.estimator.joint_set,
                motion=bench.motion,
                photos=bench.photos,
                mesh=bench.mesh,
                samples=chosen.samples,
            )
            splits.append(drawn)
            phase.advance()
    return splits


def figures(bench: Bench, splits: list[open.Shots], settings: Settings, track: Track, name: str = "measure") -> Figures:
    """The estimator's present figures."""
    found = {}
    seed_torch(settings.seed, "measure")
    with track.phase(name, len(splits)) as phase:
        for split in splits:
            found[split.name] = measure(bench.estimator, split)
            phase.advance()
    return found


def make_method(context: Context) -> PoseGen:
    """Generator and discriminator, where the run left them."""
    method = PoseGen(
        renderer=context.parts.renderer,
        estimator=context.estimator,
        prior=context.parts.prior,
        discriminator=context.parts.discriminator,
        real_poses=context.real_poses,
        appearance=context.appearance,
        settings=context.settings,
        rng=context.stream("generator"),
    )
    if context.directory.generator.is_file():
        states.load_generator(context.directory.generator, method)
    return method


def check_order(context: Context, method: PoseGen, tuning: Finetuning, round_: int) -> None:
    """Raises AssetError where a round has to be drawn, but by a generator, or for an estimator, of another round.

    So it is where files of an interrupted run were deleted: it would go on as an experiment that nobody asked for.
    """
    loop, folder = context.settings.loop, context.folder(round_)
    first, last = (loop.warmup + r * loop.iterations if r else 0 for r in (round_, round_ + 1))
    learned, at = proposals.learned(loop), method.iteration
    if (folder / "dataset.json").is_file() or ((at == last or not learned) and loop.candidates == 1):
        return  # no estimator is asked for anything
    if tuning.epochs != round_ * tuning.pace.epochs or (learned and not first <= at <= last):
        raise AssetError(
            f"the samples of round {round_} are not in {folder}, and what its generator and estimator were is gone",
            "start anew with another --out",
        )


def generate(context: Context, method: PoseGen, round_: int) -> Samples:
    """Train the generator, if it is asked, against the present estimator, and draw this round's samples."""
    loop = context.settings.loop

    def proposed() -> tuple[Tensor, Tensor]:
        if proposals.learned(loop):
            train(context, method, "warm-up", loop.warmup)
            train(context, method, f"feedback {round_}", loop.warmup + (round_ + 1) * loop.iterations)
        return proposals.draw(method, loop.samples * loop.candidates, context.stream("draw", round_))

    return drawing.rendered(
        context, context.folder(round_), proposed, loop.others, loop.company, candidates=loop.candidates
    )


def train(context: Context, method: PoseGen, name: str, until: int) -> None:
    """Generator and discriminator up to iteration ``until``, saved every now and then."""
    if method.iteration >= until:
        return
    with context.track.phase(name, until, done=method.iteration) as phase:
        context.seed_torch("generator", method.iteration)
        for losses in method.train(until):
            phase.advance(losses)
            if method.iteration % SAVE_EVERY == 0 or method.iteration == until:
                phase.flush()
                states.save_generator(context.directory.generator, method)
                context.seed_torch("generator", method.iteration)


def sizes(loop: LoopSettings) -> list[int]:
    """How many samples each round is fine-tuned on."""
    drawn = [round_ * loop.samples for round_ in range(1, loop.rounds + 1)]
    return [min(n, loop.keep or n) for n in drawn]


def kept(context: Context, round_: int, samples: Samples) -> Samples:
    """Of all samples drawn so far those that ``loop.keep`` has room for, by the present estimator's error."""
    keep = context.settings.loop.keep
    if not keep or len(samples) <= keep:
        return samples

    def choose() -> dict[str, Any]:
        context.seed_torch("choose", round_)
        with context.track.phase(f"choose {round_}", len(samples)) as phase:
            found = []
            for part in hardest.errors(samples, context.estimator, context.joint_set):
                alarms.check_finite(f"choose {round_}", {"error": part}, alarms.PARTS)
                found.append(part)
                phase.advance(by=len(part))
        return {"samples": hardest.hardest(torch.cat(found), samples.truth, context.joint_set, keep).tolist()}

    return samples[torch.tensor(context.directory.once(f"kept-{round_}.json", choose, "samples")["samples"])]


def finetune(context: Context, tuning: Finetuning, round_: int, samples: Samples) -> None:
    """Fine-tune on the samples drawn so far, epoch by epoch, each one saved."""
    steps = tuning.steps(len(samples))
    first, until = round_ * tuning.pace.epochs, (round_ + 1) * tuning.pace.epochs
    if tuning.epochs >= until:
        return
    pool = drawing.bank(context, f"samples {round_}", partial(banks.labelled, samples))
    done = (tuning.epochs - first) * steps
    with context.track.phase(f"fine-tune {round_}", tuning.pace.epochs * steps, done=done) as phase:
        kept = []
        while tuning.epochs < until:
            context.seed_torch("fine-tune", "layers", tuning.epochs)
            for losses in tuning.epoch(pool, context.stream("fine-tune", tuning.epochs)):
                kept.append(losses.kept)
                phase.advance(losses)
            phase.flush()
            states.save_finetuning(context.directory.finetuning, tuning)
    if (share := float(torch.stack(kept).mean())) < LEAST_KEPT:
        context.say(f"finetune.d left out {1 - share:.0%} of the samples: --set finetune.over_d=keep, or raise d")


def finish(context: Context, tuning: Finetuning) -> None:
    """Average the weights, and write them where they can be used."""
    tuning.average()
    about = {"estimator": context.settings.estimator.name, "weights": summary.weights(context.estimator)}
    checkpoint.save_tensors(context.directory.estimator, tuning.module.state_dict(), about)


def result(context: Context, splits: list[open.Shots], before: Figures, after: Figures) -> dict[str, Any]:
    """The content of result.json: figures with intervals, and the paired change, on every split and on its parts."""
    settings = context.settings
    return {
        "seed": settings.seed,
        "estimator": settings.estimator.name,
        "weights": summary.weights(context.estimator),
        "renderer": settings.renderer.name,
        "protocol": PROTOCOL,
        "splits": {split.name: compare(before[split.name], after[split.name], clips=split.clips) for split in splits},
        "by": {split.name: broken_down(split, compare, before[split.name], after[split.name]) for split in splits},
        "seconds": context.track.seconds if context.track.whole else None,  # a part would pass for all
    }
