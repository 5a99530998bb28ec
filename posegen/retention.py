"""What fine-tuning must not forget, made ready before it starts: photographs, ordinary views, labelled datasets."""

from __future__ import annotations

import hashlib
import math
from functools import partial
from typing import TYPE_CHECKING

import torch

from posegen import assemble, banks, drawing, states
from posegen.datasets import replay
from posegen.datasets.photos import check_folder, read_folder
from posegen.datasets.upright import Upright
from posegen.errors import AssetError
from posegen.finetune import Finetuning
from posegen.pace import paced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from posegen.context import Context
    from posegen.pace import Pace


def check(context: Context, sizes: Sequence[int]) -> None:
    """Before anything is made. Raises a PosegenError for a dataset, photographs, or people that cannot be had.

    sizes: as in ``tuning``.
    """
    settings, parts = context.settings, context.parts
    assemble.check_replay(settings, parts.estimator)
    retain, pace = settings.retain, paced(settings.finetune, settings.retain, parts.estimator)
    if retain.dataset is not None:
        replay.open_source(retain.dataset, parts.estimator.joint_set)
    if retain.folder is not None and pace.photos:
        check_folder(retain.folder, _photographs(pace, sizes))
    if retain.renders or (pace.replayed and retain.dataset is None):
        assemble.check_people(settings, parts, retain.subjects)
        _upright(context)


def people(context: Context, sizes: Sequence[int]) -> Tensor | None:
    """Photographs to retain, if any; sizes as in ``tuning``. Raises AssetError for a folder that cannot be used.

    Of a folder no more are read than there are draws for all of their cuts, and always the same.
    """
    retain = context.settings.retain
    pace = paced(context.settings.finetune, retain, context.estimator)
    if not pace.photos:
        return None
    if retain.folder is None:
        return context.parts.photos.people("train")
    photos = read_folder(retain.folder, _photographs(pace, sizes))
    now = {"sha256": hashlib.sha256(photos.flatten().numpy().data).hexdigest()}
    if context.directory.once("photos.json", lambda: now, *now) != now:
        raise AssetError(
            f"{retain.folder} no longer holds the photographs that this run began with",
            "put them back, or start anew with another --out",
        )
    return photos


def tuning(context: Context, sizes: Sequence[int], photos: Tensor | None) -> Finetuning:
    """Fine-tuning where the run left it. What it recalls comes from the original estimator, so that comes first.

    sizes: how many samples each round trains on.
    """
    retain, labelled, recall = context.settings.retain, None, []
    pace = paced(context.settings.finetune, retain, context.estimator)
    if photos is not None:
        photographed = drawing.bank(context, "photos", partial(banks.photographs, photos), photos.shape[-1])
        recall.append((pace.photos, photographed))
    pictures = _replayed(pace, sizes)
    if pictures and retain.dataset:
        replayed = drawing.replayed(context, pictures)
        labelled = drawing.bank(context, "replay", partial(banks.labelled, replayed), replay.SIDE)
    ordinary = 0 if retain.dataset else pictures
    if ordinary or retain.renders:
        count = ordinary + (max(1, round(pace.share * max(sizes))) if retain.renders else 0)
        size = _size(context)
        renders = drawing.rendered(
            context,
            context.directory.dataset / "replay",
            lambda: _ordinary(context, count),
            retain.subjects,
            retain.company,
            judged=False,
            size=size,
        )
        ordinary = ordinary * len(renders) // count  # some may have been left out
        # they lie one subject after the other, and every subject is to stand in both parts
        order = torch.randperm(len(renders), generator=context.stream("order of renders"))
        if ordinary:
            labelled = drawing.bank(context, "replay", partial(banks.labelled, renders, chosen=order[:ordinary]), size)
        if retain.renders:
            recalled = drawing.bank(context, "renders", partial(banks.recalled, renders, chosen=order[ordinary:]), size)
            recall.append((retain.renders, recalled))
    made = Finetuning(
        context.estimator,
        context.joint_set,
        replay=labelled,
        recall=recall,
        settings=context.settings.finetune,
        retain=retain,
        seed=context.settings.seed,
    )
    if context.directory.finetuning.is_file():
        states.load_finetuning(context.directory.finetuning, made)
    return made


def _ordinary(context: Context, count: int) -> tuple[Tensor, Tensor]:
    """Poses and views as the estimator knows them: theta (count,23,3), view K (count,3)."""
    theta, view = _upright(context).sample(count, context.stream("replay"))
    return theta.to(context.settings.device), view.to(context.settings.device)


def _upright(context: Context) -> Upright:
    return Upright(context.clips, bend=context.settings.loop.bend, facing=context.settings.retain.facing)


def _size(context: Context) -> int:
    """Of replayed pictures: what an upright person's crop has of them is no smaller than the network's input."""
    seen = context.estimator.input_size
    return min(context.settings.camera.size, math.ceil(1.25 * (seen if isinstance(seen, int) else max(seen))))


def _replayed(pace: Pace, sizes: Sequence[int]) -> int:
    """How many pictures to replay, so that rounds of so many samples together see each ``retain.repeats`` times."""
    return math.ceil(pace.replayed * _steps(pace, sizes) / pace.repeats)


def _photographs(pace: Pace, sizes: Sequence[int]) -> int:
    """How many of a folder the steps can show, each cut out anew several times."""
    return math.ceil(pace.recalled * _steps(pace, sizes) / banks.PHOTO_COPIES)


def _steps(pace: Pace, sizes: Sequence[int]) -> int:
    """Of all rounds together."""
    return pace.epochs * sum(math.ceil(samples / pace.fresh) for samples in sizes)
