"""``posegen export-dataset``: generated pictures and their truth, for other projects to train on."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from rich.console import Console

from posegen.appearance import Appearance
from posegen.assemble import Parts, assemble
from posegen.checkpoint import save_array, save_arrays
from posegen.datasets import generated
from posegen.errors import AssetError, UsageError
from posegen.export import humans, spin
from posegen.export.people import People, check_joints, people, together
from posegen.files import disk_error
from posegen.rundir import RunDirectory
from posegen.seeding import stream
from posegen.track import Track

if TYPE_CHECKING:
    from posegen.body import Body
    from posegen.settings import Settings

BATCH = 32
QUALITY = 95  # of JPEG


LAYOUTS = {"4d-humans": humans.columns, "spin": spin.columns}


def export(settings: Settings, run: Path, out: Path, layout: str, console: Console | None = None) -> Path:
    """Every round's samples of a run, in the looks of ``settings.appearance``; -> the npz, beside it ``images/``
    and for SPIN ``spin_fits.npy``.

    out: a new folder. Raises UsageError for a run without samples, and for people who lack the layout's joints;
    AssetError for a damaged dataset; PosegenError where the disk is full.
    """
    folders = sorted(RunDirectory(run).dataset.glob("round-*"), key=lambda f: int(f.name.removeprefix("round-")))
    if not folders:
        raise UsageError(f"{run} has no generated samples", "give the --out of posegen run or posegen generate")
    counts = [generated.describe(folder)[0] for folder in folders]
    parts = assemble(settings.model_copy(update={"device": "cpu"}), finetunes=False)  # not where the run was
    for folder in folders:  # before anything is written
        for i in generated.read_labels(folder, joint_set=parts.estimator.joint_set)["person"].unique().tolist():
            check_joints(_body(parts, generated.people(folder), i, folder))
    looks = Appearance(settings.appearance, parts.photos.backgrounds("train"))
    found: list[People] = []
    with Track(None, console).phase("export", sum(counts)) as phase, ThreadPoolExecutor(2) as pool:
        for folder in folders:
            samples = generated.load(folder, joint_set=parts.estimator.joint_set)
            there = generated.people(folder)
            names = [f"images/{folder.name}-{i:06d}.jpg" for i in range(len(samples))]
            rng = stream(settings.seed, "export", folder.name)
            for index in torch.arange(len(samples)).split(BATCH):
                pictures = generated.to_bytes(looks.compose(samples[index].render(), rng)).permute(0, 2, 3, 1).numpy()
                list(pool.map(_write, [out / names[i] for i in index], [Image.fromarray(p) for p in pictures]))
                phase.advance(by=len(index))
            for i in samples.person.unique().tolist():
                of_one = (samples.person == i).nonzero()[:, 0]
                found.append(people(samples[of_one], _body(parts, there, i, folder), [names[k] for k in of_one]))
    file, everybody = out / f"{layout}.npz", together(found)
    save_arrays(file, LAYOUTS[layout](everybody))
    if layout == "spin":
        save_array(out / "spin_fits.npy", spin.fits(everybody))
    return file


def _body(parts: Parts, people: Sequence[str], person: int, folder: Path) -> Body:
    """Whose pictures these are, by a number; 0 is the run's own person."""
    if person >= len(people):
        raise AssetError(f"{folder / 'dataset.json'} does not name all of its people", generated.REPAIR)
    return (parts.person(people[person]) if person else parts.renderer).body


def _write(path: Path, picture: Image.Image) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, quality=QUALITY)
    except OSError as error:
        raise disk_error(path, error) from error
