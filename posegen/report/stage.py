"""``posegen report``: where an estimator fails, and what became of that after a run, as one page with pictures."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.console import Console

from posegen import __version__, assemble, checkpoint, stages
from posegen.config import to_toml
from posegen.datasets import generated
from posegen.datasets.photos import read_picture
from posegen.errors import UsageError
from posegen.evaluate import PROTOCOL, limbs_seen
from posegen.report import error_map, page, pictures, summary
from posegen.report.seen import Seen
from posegen.rundir import RunDirectory
from posegen.seeding import seed_torch
from posegen.track import Track

if TYPE_CHECKING:
    from posegen.settings import Settings

IN_A_ROW = 8  # pictures
INTERVALS = "95 % intervals over clips"
REPAIR = "repeat the run"
SPLITS = {
    "ind": "ordinary views, as estimators are trained on",
    "usd": "s0 from any side",
    "ood_people": "other people from any side",
    "ood_action": "acrobatics",
    "validation": "s0 from any side, in other clips",
    "real": "photographs; the truth is what a stronger model says",
}


def report(settings: Settings, out: Path, *, run: Path | None = None, console: Console | None = None) -> Path:
    """Look at the splits of ``settings.evaluate`` and write the page; -> its path.

    run: a finished run of these settings: what its fine-tuned weights say is set beside what the estimator said before.
    Raises UsageError for a run without such weights, AssetError for weights that do not fit.
    """
    text = to_toml(settings)
    estimator, seen = look(settings, run, Track(None, console))
    title = f"{estimator}, before and after fine-tuning" if run else f"Where {estimator} fails"
    results = [each.result() for each in seen]
    sections = [_about(settings, run)]
    sections.append(page.figures("split", [{s.name: r for s, (r, _) in zip(seen, results, strict=True)}], INTERVALS))
    sections.append("<ul>" + "".join(f"<li><b>{s.name}</b>: {SPLITS[s.name]}</li>" for s in seen) + "</ul>")
    for each, (_, parts) in zip(seen, results, strict=True):
        sections += _split(each, parts)
    sections += [*_made(run), page.heading("Settings"), page.code(text)]
    checkpoint.write_text(out, page.page(title, sections))
    return out


def look(settings: Settings, run: Path | None, track: Track) -> tuple[str, list[Seen]]:
    """The estimator's name with that of its weights, and every split as it sees it; raises as ``report`` does."""
    if not settings.evaluate.splits:
        raise UsageError("evaluate.splits is empty: there is nothing to look at", "posegen report --estimator NAME")
    weights = _weights(run) if run else None
    bench = assemble.bench(settings)
    estimator, module = bench.estimator, bench.estimator.module
    name = summary.title(settings.estimator.name, summary.weights(estimator))
    times = {"now": None} if weights is None else {"before": None, "after": weights}
    with torch.random.fork_rng():
        splits = stages.shots(bench, settings, track)
        found: dict[str, dict[str, torch.Tensor]] = {split.name: {} for split in splits}
        for time, file in times.items():
            if file is not None and module is not None:
                checkpoint.load_module(module, checkpoint.load_tensors(file, REPAIR), file, REPAIR)
            seed_torch(settings.seed, "measure")
            with track.phase(f"look {time}", len(splits)) as phase:
                for split in splits:
                    found[split.name][time] = limbs_seen(estimator, split)
                    phase.advance()
    return name, [Seen(split, found[split.name]) for split in splits]


def _weights(run: Path) -> Path:
    directory = RunDirectory(run)
    if not directory.estimator.is_file():
        cause = "" if directory.result.is_file() else ": it has not ended"
        resume = f"posegen run --resume --out {shlex.quote(str(run))}"
        raise UsageError(f"{run} has no fine-tuned weights{cause}", f"go on with it: {resume}")
    return directory.estimator


def _about(settings: Settings, run: Path | None) -> str:
    own = run is not None and not RunDirectory(run).samples.is_file()  # posegen finetune learns from what others drew
    drawn = f"Generated with {settings.renderer.name}, seed {settings.seed}. " if own else ""
    return page.note(f"{drawn}PoseGen {__version__}; {PROTOCOL}; lower is better, except for PCK.")


def _split(seen: Seen, parts: Mapping[str, Any]) -> Iterator[str]:
    """One split: its parts, its joints, a map of its errors, and the pictures with the largest."""
    yield page.heading(f"{seen.name}: {SPLITS[seen.name]}")
    times = list(seen.estimates)
    joints = [(j, " → ".join(f"{of[time]:.0f}" for time in times)) for j, of in seen.joints().items()]
    yield page.side_by_side(page.figures("part", parts.values()), page.table(("joint", "distance, mm"), [joints]))
    yield from _map(seen)
    for time in times:
        errors = seen.errors()[time]
        worst = errors.argsort(descending=True)[:IN_A_ROW].tolist()
        words = "The largest errors" if time == "now" else f"The largest errors {time}"
        yield page.heading(words, 3)
        yield page.picture(pictures.sheet(seen.shots.image, seen.truth, seen.estimates, worst), words)
    colours = "" if len(times) == 1 else ": before red, after green. What was worst before tends to be better after"
    yield page.note(f"Below each picture the estimate on the truth (grey), as the camera sees them{colours}.")


def _map(seen: Seen) -> Iterator[str]:
    azimuth, elevation = seen.cameras()
    stands = np.isfinite(azimuth) & np.isfinite(elevation)
    if stands.any():
        errors = {time: error.double().numpy()[stands] for time, error in seen.errors().items()}
        image = error_map.draw(azimuth[stands], elevation[stands], errors)
        yield page.picture(image, f"MPJPE of {seen.name} by the place of the camera around the person")


def _made(run: Path | None) -> Iterator[str]:
    """Some of the generated samples, evenly taken."""
    rounds = RunDirectory(run).dataset.glob("round-*") if run else ()
    for folder in sorted(rounds, key=lambda folder: int(folder.name.removeprefix("round-"))):
        count, _ = generated.describe(folder)
        chosen = np.linspace(0, count - 1, min(count, IN_A_ROW)).round().astype(int)
        images = [read_picture(generated.image_file(folder, i), "RGBA", generated.REPAIR) for i in chosen]
        yield page.heading(f"Generated: {folder.name}")
        yield page.picture(pictures.strip(images), f"samples of {folder.name}")
        yield page.note(f"{len(chosen)} of {count} samples, evenly taken, before backgrounds and light vary.")
