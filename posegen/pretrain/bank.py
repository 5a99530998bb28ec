"""The pictures that networks learn from: drawn once, kept on disk as bytes, mapped into memory when they are used.

A bank is a folder of shards: ``train-000.npy`` (n,3,S,S) uint8 with its ``train-000.safetensors`` of labels, and
``bank.json``, the settings that it was drawn with. Shards are drawn one after the other, each from a random stream of
its own, so that drawing goes on where it was interrupted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from posegen.appearance import Appearance
from posegen.checkpoint import load_tensors, save_array, save_tensors, write_text
from posegen.datasets.generated import to_bytes
from posegen.datasets.upright import Upright
from posegen.errors import AssetError, UsageError
from posegen.files import read_error, read_json
from posegen.geometry import box_from_alpha, frame, orbit, resample
from posegen.pretrain.settings import Pretraining
from posegen.protocols import Motion, Photos, Renderer
from posegen.seeding import stream
from posegen.track import Track

SHARD = 500  # pictures at most; each shard shows one subject
CHUNK = 50  # pictures drawn at once
BACKGROUNDS = 200  # windows that are cut out of the background photographs
LABELS = ("theta", "view", "box", "focal", "centre", "subject")


class Bank:
    """Pictures with their labels.

    theta (N,23,3), view (N,3): the pose and the root-free view.  box (N,4): of the person, pixels.  focal (N,) and
    centre (N,2): the camera's intrinsics, pixels; it stands as ``orbit`` has it.  subject (N,): an index.
    """

    def __init__(self, shards: list[Path], repair: str) -> None:
        """Raises AssetError for a damaged file."""
        labels = [load_tensors(shard.with_suffix(".safetensors"), repair) for shard in shards]
        try:
            self._pictures = [np.load(shard, mmap_mode="r", allow_pickle=False) for shard in shards]
            theta, view, box, focal, centre, subject = (torch.cat([part[name] for part in labels]) for name in LABELS)
        except OSError as error:
            raise read_error(Path(error.filename or shards[0].parent), error, repair) from error
        except (ValueError, EOFError, KeyError, RuntimeError) as error:
            raise AssetError(f"{shards[0].parent} holds a damaged shard: {error}", repair) from error
        self.theta, self.view, self.box, self.focal, self.centre, self.subject = (
            theta,
            view,
            box,
            focal,
            centre,
            subject,
        )
        self._start = np.cumsum([0, *map(len, self._pictures)])
        if self._start[-1] != len(theta):
            raise AssetError(f"{shards[0].parent} holds a damaged shard: pictures without labels", repair)

    def __len__(self) -> int:
        return len(self.theta)

    def pictures(self, index: Tensor) -> Tensor:
        """index (n,) -> (n,3,S,S) uint8."""
        shard = np.searchsorted(self._start, index.numpy(), side="right") - 1
        rows = index.numpy() - self._start[shard]
        return torch.from_numpy(np.stack([self._pictures[s][r] for s, r in zip(shard, rows, strict=True)]))


def open_bank(
    folder: Path, settings: Pretraining, motion: Motion, photos: Photos, mesh: Callable[[str], Renderer], track: Track
) -> tuple[Bank, Bank]:
    """The bank for training and the one to measure on, drawn first where they are not there yet.

    Raises UsageError for a folder that holds something else, or a bank of other settings.
    """
    _claim(folder, settings)
    banks = []
    for part, clips, count in (
        ("train", motion.clips("train"), settings.bank.pictures),
        ("validation", motion.clips("validation"), settings.bank.validation),
    ):
        b = settings.bank
        poses = Upright(clips, recombine=b.recombine, blend=b.blend, bend=b.bend, roll=b.roll)
        each = math.ceil(count / len(b.subjects))
        size = math.ceil(each / math.ceil(each / SHARD))  # as many shards of everybody
        shards = [folder / f"{part}-{i:03d}.npy" for i in range(math.ceil(count / size))]
        done = [shard for shard in shards if shard.with_suffix(".safetensors").is_file()]
        with track.phase(f"draw pictures ({part})", count, done=min(count, size * len(done))) as phase:
            looks = Appearance(settings.appearance, _backgrounds(photos, settings))
            for i, shard in enumerate(shards):
                if not shard.with_suffix(".safetensors").is_file():
                    n = min(size, count - size * i)
                    who = i % len(settings.bank.subjects)
                    _draw(shard, n, part, who, poses, mesh(settings.bank.subjects[who]), looks, settings)
                    phase.advance(by=n)
        banks.append(Bank(shards, f"delete {folder} and draw it anew"))
    return banks[0], banks[1]


def _claim(folder: Path, settings: Pretraining) -> None:
    about = folder / "bank.json"
    drawn = settings.model_dump(mode="json", include={"seed", "motion", "photos", "bank", "appearance"})
    if about.is_file():
        if read_json(about, f"delete {folder}") != drawn:
            raise UsageError(f"{folder} is a bank of other settings", "choose another --bank")
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty, and not a bank", "choose another --bank")
    else:
        write_text(about, json.dumps(drawn, indent=1) + "\n")


def _draw(
    shard: Path,
    n: int,
    part: str,
    who: int,
    poses: Upright,
    renderer: Renderer,
    looks: Appearance,
    settings: Pretraining,
) -> None:
    """One shard: its labels are written last, and tell that it is whole."""
    rng = stream(settings.seed, "bank", shard.stem)
    theta, view = (poses.sample if part == "train" else poses.real)(n, rng)
    camera = frame(orbit(view, distance=settings.bank.distance, size=settings.bank.size), renderer.body.joints(theta))
    pictures, boxes = [], []
    for chunk in torch.split(torch.arange(n), CHUNK):
        render = renderer.render(theta[chunk], camera[chunk])
        pictures.append(to_bytes(looks.compose(render, rng)).cpu())
        boxes.append(box_from_alpha(render.alpha).cpu())
    save_array(shard, torch.cat(pictures).numpy())
    labels = (theta, view, torch.cat(boxes), camera.intrinsics[:, 0, 0], camera.intrinsics[:, :2, 2])
    subject = torch.full((n,), who)
    save_tensors(shard.with_suffix(".safetensors"), dict(zip(LABELS, (*labels, subject), strict=True)))


def _backgrounds(photos: Photos, settings: Pretraining) -> Tensor:
    """Windows of the background photographs, of a picture's size: a few photographs would be learnt by heart."""
    rng, size = stream(settings.seed, "bank", "backgrounds"), settings.bank.size
    image = photos.backgrounds("train").cpu()
    which = torch.randint(len(image), (BACKGROUNDS,), generator=rng)
    whole = image.shape[-1]
    side = whole * (0.4 + 0.6 * torch.rand(BACKGROUNDS, generator=rng))
    corner = (whole - side)[:, None] * torch.rand(BACKGROUNDS, 2, generator=rng)
    centre = corner + side[:, None] / 2
    return torch.cat(
        [
            resample(image[w], c, s, size)
            for w, c, s in zip(*(torch.split(x, CHUNK) for x in (which, centre, side)), strict=True)
        ]
    )
