"""Pictures of a run with their labels, each dataset drawn or read once and then taken from the run's folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from posegen import alarms
from posegen.datasets import generated, replay
from posegen.errors import PosegenError
from posegen.generate import render_samples
from posegen.proposals import spread

if TYPE_CHECKING:
    from torch import Tensor

    from posegen.banks import Bank
    from posegen.context import Context
    from posegen.datasets.generated import Samples
    from posegen.protocols import Renderer
    from posegen.track import Phase


def rendered(
    context: Context,
    folder: Path,
    proposals: Callable[[], tuple[Tensor, Tensor]],
    subjects: tuple[str, ...] = (),
    company: float = 1.0,
    candidates: int = 1,
    judged: bool = True,
    size: int | None = None,
) -> Samples:
    """Poses and views as a dataset: read from the folder, or drawn and written there.

    subjects, company: who else is drawn in turn, in such a share of them (``Parts.person``); the run's renderer draws
    the rest, and all where there are none.  candidates: of so many proposals one is kept.  judged: the estimator looks
    at what the run's renderer draws, and its error is kept.  size: of the pictures, pixels, where it is not the
    camera's.
    Raises PosegenError if no picture shows a person.
    """
    joint_set = context.estimator.joint_set
    if (folder / "dataset.json").is_file():
        return _again(folder, joint_set)
    theta, view = proposals()
    camera = context.settings.camera.model_copy(update={} if size is None else {"size": size})
    context.seed_torch("draw", folder.name)
    count = len(theta) // candidates

    def batches(phase: Phase) -> Iterator[Samples]:
        for i, (who, renderer, chosen) in enumerate(_shares(context, len(theta), subjects, company, candidates)):
            asked = candidates > 1 or (judged and renderer is context.parts.renderer)
            for batch in render_samples(
                theta[chosen],
                view[chosen],
                renderer=renderer,
                estimator=context.estimator,
                appearance=context.appearance,
                camera=camera,
                rng=context.stream("look", folder.name, i),
                candidates=candidates,
                judged=asked,
            ):
                values = {"truth": batch.truth} | ({"error": batch.error} if asked else {})
                alarms.check_finite(f"draw {folder.name}", values, alarms.PARTS)
                yield replace(batch, person=torch.full_like(batch.person, who))
                phase.advance(by=len(batch))

    with context.track.phase(f"draw {folder.name}", count) as phase:
        samples = generated.gather(batches(phase), count)
        if not len(samples):
            raise PosegenError(
                f"draw {folder.name}: no picture shows a person with every limb",
                "look at the subject with posegen render; more feedback.w4 or loop.real asks less of the renderer",
            )
        drawn_by = context.settings.renderer
        own = str(drawn_by.options.get("subject", drawn_by.name))
        generated.save(samples, folder, joint_set=joint_set, people=(own, *subjects))
    if lost := count - len(samples):
        context.say(f"draw {folder.name}: {lost} pictures left out, in which a limb is not drawn")
    return samples


def _shares(
    context: Context, n: int, subjects: tuple[str, ...], company: float, candidates: int
) -> list[tuple[int, Renderer, Tensor]]:
    """Who draws which of n proposals, by their indices, the run's own person first, then the others in turn; those of
    which one is kept stay together."""
    groups = torch.arange(n).view(-1, candidates)
    shared = spread(len(groups), company if subjects else 0.0)
    own, others = groups[~shared], groups[shared]
    mine = [(0, context.parts.renderer, own.flatten())] if len(own) else []
    count = len(subjects)
    return mine + [(i, context.parts.person(w), others[i - 1 :: count].flatten()) for i, w in enumerate(subjects, 1)]


def replayed(context: Context, count: int) -> Samples:
    """Labelled pictures of ``retain.dataset``: read from the run's folder, or drawn and written there."""
    folder, joint_set = context.directory.dataset / "replay-dataset", context.estimator.joint_set
    if (folder / "dataset.json").is_file():
        return _again(folder, joint_set)
    dataset = replay.open_source(str(context.settings.retain.dataset), joint_set)
    with context.track.phase(f"read {dataset.name}", 1) as phase:
        body = context.parts.renderer.body
        centred = hasattr(context.estimator, "context")
        samples = replay.draw(dataset, count, body, joint_set, context.stream("replay-dataset"), centred=centred)
        phase.advance()
    generated.save(samples, folder, joint_set=joint_set)
    return samples


def _again(folder: Path, joint_set: str) -> Samples:
    """A dataset that this run wrote, and can write again."""
    return generated.load(folder, joint_set=joint_set, repair=f"delete {folder} and go on with --resume")


def bank(context: Context, name: str, make: Callable[..., Bank], size: int | None = None) -> Bank:
    """A bank of crops, in appearances of its own random stream.  size: of the pictures, as in ``rendered``."""
    copies = context.settings.finetune.copies
    with context.track.phase(f"prepare {name}", 1) as phase:
        looks = context.appearance if size is None else context.appearance.reduced(size / context.settings.camera.size)
        made = make(context.estimator, looks, copies, context.stream("prepare", name))
        phase.advance()
    return made
