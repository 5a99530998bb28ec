"""Settings -> live components, checked against each other before a run starts."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from posegen import plugins, proposals, protocols
from posegen.config import COMPONENTS, DEFAULT, explain
from posegen.datasets import motion, open, sources
from posegen.discovery import discover, one_line
from posegen.errors import PluginError, PosegenError, UsageError, nearest
from posegen.layers import Key, Layer
from posegen.options import Options
from posegen.pace import paced
from posegen.settings import EvaluateSettings, Selection, Settings

PROTOCOLS: dict[str, type] = {
    "renderer": protocols.Renderer,
    "estimator": protocols.PoseEstimator,
    "prior": protocols.Prior,
    "discriminator": protocols.Discriminator,
    "body": protocols.BodySource,
    "motion": protocols.Motion,
    "photos": protocols.Photos,
}


@dataclass(frozen=True, slots=True)
class Bench:
    """The live components of the open benchmark."""

    estimator: protocols.PoseEstimator
    motion: protocols.Motion
    photos: protocols.Photos
    mesh: Callable[[str], protocols.Renderer]
    """The mesh renderer of a subject, whatever a run's renderer is."""


@dataclass(frozen=True, slots=True)
class Parts(Bench):
    """The live components of a run."""

    renderer: protocols.Renderer
    prior: protocols.Prior
    discriminator: protocols.Discriminator
    person: Callable[[str], protocols.Renderer]
    """Someone else in the samples: a starter subject as a mesh, a file of a subject as the run's renderer draws it."""


def complete(settings: Settings, given: Layer | None = None) -> Settings:
    """The same settings with every option of every plugin checked and its defaults filled in.

    given: sources for the messages. Raises PluginError for a plugin that cannot be used, UsageError for an option
    or a device that no machine has.
    """
    known_device(settings.device)
    _check_names(settings, given or {})
    filled = {}
    for kind in COMPONENTS:
        selection: Selection = getattr(settings, kind)
        options = check_options(kind, selection, given).model_dump()
        filled[kind] = Selection(name=selection.name, options=options)
    return settings.model_copy(update=filled)


def _check_names(settings: Settings, given: Layer) -> None:
    """Raises UsageError, with key and source, for a split or a dataset that does not exist, or is not replayed, and for
    people of whom nobody said how often they are drawn."""
    checks: dict[Key, Callable[[], object]] = {
        ("evaluate", "splits"): lambda: _check_splits(settings.evaluate),
        ("evaluate", "datasets"): lambda: sources.judged(settings.evaluate.datasets),
        ("retain", "dataset"): lambda: settings.retain.dataset and sources.parse(settings.retain.dataset),
        ("retain", "replay"): lambda: _check_share(settings),
        ("real_poses",): lambda: settings.real_poses and motion.named(settings.real_poses),
        ("loop", "others"): lambda: _check_company(settings, given),
    }
    for key, check in checks.items():
        try:
            check()
        except UsageError as error:
            source = given[key].source if key in given else DEFAULT
            raise UsageError(f"{'.'.join(key)} ({source}): {error.message}", error.hint) from error


def _check_splits(chosen: EvaluateSettings) -> None:
    """Raises UsageError for a split that does not exist, and where there is nothing to measure."""
    if not (chosen.splits or chosen.datasets):
        hint = f"choose among {', '.join(open.NAMES)}"
        raise UsageError("there is nothing to measure, as evaluate.datasets is empty too", hint)
    open.check(chosen.splits)


def _check_company(settings: Settings, given: Layer) -> None:
    unsaid = ("loop", "others") in given and ("loop", "company") not in given
    if unsaid and settings.loop.others and not settings.loop.company:
        raise UsageError("none of them is drawn, as loop.company is 0", "--set loop.company=0.8, a share of samples")


def _check_share(settings: Settings) -> None:
    """As ``check_replay``, where the settings alone say how many pictures of a step are replayed."""
    if settings.finetune.batch is not None and settings.retain.replay is not None:
        check_replay(settings)


def check_replay(settings: Settings, estimator: protocols.PoseEstimator | None = None) -> None:
    """Raises UsageError where nothing is replayed although a dataset is given, or where replaying leaves no room.

    estimator: whose pace counts where the settings do not say.
    """
    pace = paced(settings.finetune, settings.retain, estimator)
    batch, replayed = pace.batch, pace.replayed
    if settings.retain.dataset and not replayed:
        raise UsageError(
            f"{settings.retain.dataset} is to be replayed, but in no step of {batch} pictures",
            "--set retain.replay=0.4",
        )
    if 8 * (batch - replayed) < batch:
        raise UsageError(
            f"replaying leaves {batch - replayed} of {batch} pictures in a step for generated samples",
            f"a lower retain.replay, so that {math.ceil(batch / 8)} are left",
        )


def check_options(kind: str, selection: Selection, given: Layer | None = None) -> Options:
    """A component's options as an instance of its own ``Options``. Raises as ``complete`` does."""
    model = options_class(kind, selection.name)
    try:
        return model.model_validate(selection.options)
    except ValidationError as error:
        raise explain(error, model, given or {}, (kind,)) from error


def options_class(kind: str, name: str) -> type[Options]:
    """The ``Options`` of a component. Raises PluginError as ``plugins.load`` does, and where there is none."""
    component = plugins.load(kind, name)
    model = getattr(component, "Options", None)
    if not (isinstance(model, type) and issubclass(model, Options)):
        raise PluginError(f"{kind} '{name}' has no class Options(posegen.Options)", "tell the plugin's author")
    return model


def assemble(settings: Settings, *, finetunes: bool = True) -> Parts:
    """Make the components and check that they can work together.

    finetunes: the estimator is to be trained, so it must have a network. Raises PosegenError: a
    plugin that cannot be used, an option, an asset, a device, parts that do not fit.
    """
    made = _made(settings, COMPONENTS)
    parts = Parts(**made, person=cache(lambda who: _person(who, settings, made["mesh"])))
    check(settings, parts)
    if finetunes:
        check_trainable(settings, parts)
    return parts


def bench(settings: Settings) -> Bench:
    """Make what the open benchmark needs. Raises PosegenError as ``assemble`` does."""
    return Bench(**_made(settings, ("estimator", "motion", "photos")))


def known_device(name: str) -> torch.device:
    """Raises UsageError for a device that no machine has."""
    with suppress(RuntimeError):
        if (device := torch.device(name)).type != "meta":  # torch's stand-in for one, which computes nothing
            return device
    raise UsageError(f"there is no device '{name}'", "--device cpu, or like cuda, cuda:1, mps, xpu")


def usable_device(name: str) -> torch.device:
    """Raises UsageError for a device that this machine has not."""
    device = known_device(name)
    try:
        torch.empty(0, device=device)
    except (AssertionError, NotImplementedError, ImportError) as error:  # torch raises any, by device type
        kind = device.type.upper()
        advice = f"--device cpu, or install a PyTorch with {kind}; posegen doctor shows this one"
        raise UsageError(f"this PyTorch has no {kind}", advice) from error
    except RuntimeError as error:
        cause = str(error).partition("\n")[0]  # pages of advice for CUDA's own developers follow
        raise UsageError(f"device '{name}' cannot be used here: {cause}", "--device cpu") from error
    return device


def make(kind: str, selection: Selection, device: torch.device) -> Any:
    """One component on a device, an instance of its kind's protocol; an estimator is made to look, not to learn.

    Raises as ``assemble`` does.
    """
    options = check_options(kind, selection)
    try:
        part = plugins.load(kind, selection.name)(options, device=device)
    except PosegenError:
        raise
    except Exception as error:  # a third party's constructor may fail in any way; the cause is chained for --debug
        raise PluginError(
            f"{kind} '{selection.name}' cannot be made: {one_line(error)}", "--debug shows where"
        ) from error
    if missing := _missing_members(part, PROTOCOLS[kind]):
        raise PluginError(
            f"{kind} '{selection.name}' is no {PROTOCOLS[kind].__name__}: it lacks {', '.join(missing)}",
            "tell the plugin's author: posegen.testing checks this",
        )
    if kind == "estimator" and part.module is not None:
        part.module.requires_grad_(False).eval()
    return part


def check(settings: Settings, parts: Parts) -> None:
    """Raises UsageError, naming the option to change, for parts that cannot work together."""
    renderer, estimator = settings.renderer.name, settings.estimator.name
    if settings.feedback.mode == "rendered":
        for kind, name in (("renderer", renderer), ("estimator", estimator)):
            if not getattr(parts, kind).differentiable:
                raise UsageError(
                    f"feedback 'rendered' needs a differentiable {kind}; {name} is not",
                    "use --set feedback.mode=label or --set feedback.mode=score",
                )
    _check_feedback(settings)
    _check_joints(settings, parts.estimator, parts.renderer, f"the body that renderer '{renderer}' draws")


def check_people(settings: Settings, parts: Parts, people: Iterable[str]) -> None:
    """Raises a PosegenError for people who cannot be drawn, or not with the joints that the estimator sees."""
    for who in people:
        _check_joints(settings, parts.estimator, parts.person(who), f"{who}, who is to stand in the pictures,")


def _check_joints(
    settings: Settings, estimator: protocols.PoseEstimator, renderer: protocols.Renderer, whose: str
) -> None:
    wanted, there = estimator.joint_set, renderer.body.joint_sets
    if wanted in there:
        return
    fitting = " or ".join(_that_see(there))
    raise UsageError(
        f"estimator '{settings.estimator.name}' sees the joints of {wanted}, which {whose} does not have "
        f"(it has {', '.join(there)})",
        f"--estimator {fitting}, or another person" if fitting else "choose another --estimator",
    )


def _that_see(joint_sets: Collection[str]) -> list[str]:
    """The estimators here whose joints are among these."""
    found = []
    for row in discover():
        if row.kind == "estimator":
            with suppress(PluginError):
                found += [row.name] * (getattr(plugins.load("estimator", row.name), "joint_set", None) in joint_sets)
    return found


def _check_feedback(settings: Settings) -> None:
    """Raises UsageError for feedback of which nothing can be learned, or not for what is drawn."""
    feedback, loop = settings.feedback, settings.loop
    if not (feedback.w2 and proposals.learned(loop)):
        return
    if loop.views not in ("generator", "level"):
        raise UsageError(
            f"the feedback looks at poses from the generator's views, but loop.views={loop.views} draws others",
            "--set feedback.w2=0, or loop.views=generator",
        )
    if feedback.samples > loop.batch:
        raise UsageError(
            f"feedback.samples = {feedback.samples} are to be rendered of a batch of {loop.batch} poses",
            f"--set feedback.samples={loop.batch}, or raise loop.batch",
        )
    if feedback.mode == "score" and feedback.samples == 1:
        raise UsageError("feedback 'score' compares samples, and feedback.samples is 1", "2 at least; the paper has 20")


def check_trainable(settings: Settings, parts: Parts) -> None:
    """Raises UsageError for an estimator that cannot be fine-tuned."""
    name, frozen = settings.estimator.name, parts.estimator.frozen
    if parts.estimator.module is None:
        raise UsageError(
            f"estimator '{name}' is a black box: it has no network to fine-tune",
            "posegen generate  makes the data; choose another --estimator to fine-tune",
        )
    names = [parameter for parameter, _ in parts.estimator.module.named_parameters()]
    for pattern in frozen:
        if not any(fnmatchcase(parameter, pattern) for parameter in names):
            hint = nearest(pattern, names) or "its module.named_parameters() tells their names"
            raise UsageError(f"no parameter of estimator '{name}' is called '{pattern}'", hint)
    if all(any(fnmatchcase(parameter, pattern) for pattern in frozen) for parameter in names):
        raise UsageError(
            f"nothing of estimator '{name}' is left to train: frozen are {', '.join(frozen)}",
            "freeze less: --set estimator.freeze=[]",
        )


def _made(settings: Settings, kinds: Iterable[str]) -> dict[str, Any]:
    device = usable_device(settings.device)
    made = {kind: _seeded(kind, getattr(settings, kind), device, settings.seed) for kind in kinds}
    return made | {"mesh": cache(lambda subject: _mesh(subject, device, settings.seed))}


def _seeded(kind: str, selection: Selection, device: torch.device, seed: int) -> Any:
    """As ``make``; a component that starts from random weights starts from the run's seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make(kind, selection, device)


def _mesh(subject: str, device: torch.device, seed: int) -> protocols.Renderer:
    selection = Selection(name="mesh", options={"subject": subject})
    renderer: protocols.Renderer = _seeded("renderer", selection, device, seed)
    return renderer


def _person(who: str, settings: Settings, mesh: Callable[[str], protocols.Renderer]) -> protocols.Renderer:
    if not Path(who).suffix:
        return mesh(who)
    chosen = settings.renderer
    own = getattr(plugins.load("renderer", chosen.name), "of_subject", ())
    options = {name: value for name, value in chosen.options.items() if name not in own}
    selection = Selection(name=chosen.name, options=options | {"subject": who})
    try:
        renderer: protocols.Renderer = _seeded("renderer", selection, usable_device(settings.device), settings.seed)
    except PosegenError as error:
        raise type(error)(f"{who}, who is to stand in the pictures: {error.message}", error.hint) from error
    return renderer


def _missing_members(part: object, protocol: type) -> list[str]:
    members: Mapping[str, Any] = vars(protocol) | protocol.__annotations__
    return [name for name in members if not name.startswith("_") and not hasattr(part, name)]
