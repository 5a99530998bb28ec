"""Rendered samples with their labels: what the generator proposes and the estimator is fine-tuned on.

On disk a dataset is a folder: ``images/000000.png`` (RGBA, the person alone), ``labels.safetensors`` and
``dataset.json``, which states the conventions and the number of samples.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from posegen.body.joints import JOINT_SETS
from posegen.checkpoint import load_tensors, save_tensors, write_text
from posegen.datasets.photos import read_picture
from posegen.errors import AssetError, UsageError
from posegen.files import disk_error, read_json
from posegen.types import Render

FORMAT = "posegen-dataset-2"
REPAIR = "generate the dataset again"
KNOWN = ("box", "truth")  # of every sample; NaN elsewhere says that nobody knows
CONVENTIONS = (
    "theta: SMPL body pose (23,3) axis-angle, radians; view: K (3) axis-angle, the camera's turn around the pelvis; "
    "truth: joints in metres, camera axes (x right, y down, z forward), origin at the pelvis; "
    "box: x0,y0,x1,y1 pixels; error: the estimator's mean limb error in metres when the sample was drawn, NaN where it "
    "was not asked; points: the same joints in the image, pixels; intrinsics (3,3) pixels and pelvis (3) metres in "
    "camera axes: points = intrinsics (truth + pelvis); all three NaN where not known; person: who stands in it, "
    "an index of people; images: RGBA, straight alpha"
)


@dataclass(frozen=True, slots=True)
class Samples:
    """N rendered people.

    image: (N,3,H,W) uint8, premultiplied by alpha and so never above it.  alpha: (N,1,H,W) uint8.  box: (N,4) pixels.
    theta: (N,23,3).  view: (N,3).  truth: (N,J,3) joints of the estimator's joint set, metres, camera axes.
    error: (N,) metres, NaN where the estimator was not asked.  points: (N,J,2) pixels of the same joints, NaN where
    they are not known.  intrinsics: (N,3,3) pixels, and pelvis: (N,3) metres in camera axes, NaN where they are not
    known.  person: (N,) which of the dataset's people stands there.
    """

    image: Tensor
    alpha: Tensor
    box: Tensor
    theta: Tensor
    view: Tensor
    truth: Tensor
    error: Tensor
    points: Tensor
    intrinsics: Tensor
    pelvis: Tensor
    person: Tensor

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, index: Tensor | slice) -> Samples:
        return Samples(*(getattr(self, f.name)[index] for f in fields(self)))

    def render(self) -> Render:
        """The images as floats in [0,1]."""
        return Render(self.image.float() / 255, self.alpha.float() / 255)

    def to(self, device: str | torch.device) -> Samples:
        return Samples(*(getattr(self, f.name).to(device) for f in fields(self)))


def concatenate(parts: Iterable[Samples]) -> Samples:
    listed = list(parts)
    if len(listed) == 1:
        return listed[0]  # no copy: a dataset is often gigabytes
    return Samples(*(torch.cat([getattr(p, f.name) for p in listed]) for f in fields(Samples)))


def gather(parts: Iterable[Samples], most: int) -> Samples:
    """At least one part, and at most so many samples: joining parts that are all there takes twice the memory."""
    room: list[Tensor] = []
    count = 0
    for part in parts:
        columns = [getattr(part, f.name) for f in fields(Samples)]
        room = room or [column.new_empty(most, *column.shape[1:]) for column in columns]
        for place, column in zip(room, columns, strict=True):
            place[count : count + len(part)] = column
        count += len(part)
    return Samples(*room)[:count]


def to_bytes(image: Tensor) -> Tensor:
    """Float images in [0,1] -> uint8, rounded."""
    return (image.detach() * 255).round_().clamp_(0, 255).to(torch.uint8)


def image_file(folder: Path, i: int) -> Path:
    """Where the picture of one sample is."""
    return folder / "images" / f"{i:06d}.png"


def save(samples: Samples, folder: Path, *, joint_set: str, people: Iterable[str] = ()) -> None:
    """Write a dataset folder; ``dataset.json`` comes last, so that a folder that has it is complete.

    people: who stands in the pictures, by ``Samples.person``. Raises PosegenError when the disk is full.
    """
    images = folder / "images"

    def write(i: int) -> None:
        path = image_file(folder, i)
        try:
            Image.fromarray(_straight(samples.image[i], samples.alpha[i])).save(path, compress_level=1)
        except OSError as error:
            raise disk_error(path, error) from error

    try:
        images.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(images, error) from error
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(len(samples))))
    labels = {f.name: getattr(samples, f.name) for f in fields(samples) if f.name not in ("image", "alpha")}
    save_tensors(folder / "labels.safetensors", labels)
    about = {"format": FORMAT, "samples": len(samples), "joint_set": joint_set, "people": list(people)}
    about["conventions"] = CONVENTIONS
    write_text(folder / "dataset.json", json.dumps(about, indent=1) + "\n")


def describe(folder: Path, *, repair: str = REPAIR, prefix: str = "") -> tuple[int, str]:
    """How many samples a dataset folder holds, and their joint set.

    prefix: what a user writes before the folder's name. Raises AssetError for a folder that is no whole dataset.
    """
    about = folder / "dataset.json"
    try:
        described = read_json(about, repair, ("format", "samples", "joint_set"))
    except (FileNotFoundError, NotADirectoryError) as error:
        inside = sorted(folder.glob("dataset/round-*/dataset.json"))
        right = inside[0].parent if inside else "RUN/dataset/round-0, of posegen run or posegen generate"
        lack = "has no dataset.json" if folder.exists() else "does not exist"
        raise AssetError(f"{folder} {lack}", f"give {prefix}{right}") from error
    written, count, joint_set = (described[key] for key in ("format", "samples", "joint_set"))
    if written != FORMAT:
        raise AssetError(f"{about} is of format '{written}', this version reads '{FORMAT}'", repair)
    if not isinstance(count, int) or count < 1:
        raise AssetError(f"{about}: 'samples' is {count!r}", repair)
    return count, str(joint_set)


def people(folder: Path, repair: str = REPAIR) -> list[str]:
    """Who stands in the pictures of a dataset folder that is whole. Raises AssetError if it does not say."""
    return [str(who) for who in read_json(folder / "dataset.json", repair, ("people",))["people"]]


def load(folder: Path, *, joint_set: str, repair: str = REPAIR) -> Samples:
    """Read a dataset folder whose labels are of this joint set.

    repair: what mends a damaged one.
    Raises AssetError naming the file that is missing or damaged, UsageError for labels of another joint set.
    """
    labels = read_labels(folder, joint_set=joint_set, repair=repair)

    def read(i: int) -> np.ndarray:
        return np.asarray(read_picture(image_file(folder, i), "RGBA", repair))

    count, (height, width, _) = len(labels["box"]), read(0).shape
    image = torch.empty(count, 3, height, width, dtype=torch.uint8)
    alpha = torch.empty(count, 1, height, width, dtype=torch.uint8)

    def place(i: int) -> None:
        rgba = read(i)
        if rgba.shape[:2] != (height, width):
            raise AssetError(f"{folder / 'images'} holds no images of one size", repair)
        image[i], alpha[i] = _premultiplied(rgba)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(place, range(count)))
    return Samples(image=image, alpha=alpha, **labels)


def read_labels(folder: Path, *, joint_set: str, repair: str = REPAIR) -> dict[str, Tensor]:
    """What ``load`` reads but for the pictures, by the names of ``Samples``. Raises as ``load`` does."""
    count, labelled = describe(folder, repair=repair)
    if labelled != joint_set:
        raise UsageError(
            f"{folder} is labelled with joint set '{labelled}', the estimator has '{joint_set}'",
            "generate a dataset with this --estimator",
        )
    file = folder / "labels.safetensors"
    labels = load_tensors(file, repair)
    joints = len(JOINT_SETS[joint_set])
    shapes = {"box": (4,), "theta": (23, 3), "view": (3,), "truth": (joints, 3), "error": (), "points": (joints, 2)}
    shapes |= {"intrinsics": (3, 3), "pelvis": (3,), "person": ()}
    for name, shape in shapes.items():
        if name not in labels or labels[name].shape != (count, *shape):
            raise AssetError(f"{file} holds no '{name}' of shape {(count, *shape)}", repair)
    for name in KNOWN:
        if strange := (~labels[name].isfinite().flatten(1).all(1)).nonzero().flatten().tolist():
            raise AssetError(f"{file}: '{name}' of sample {strange[0]} holds values that are not finite", repair)
    return {name: labels[name] for name in shapes}


def _straight(image: Tensor, alpha: Tensor) -> np.ndarray:
    """Premultiplied (3,H,W) and alpha (1,H,W), uint8 -> RGBA (H,W,4) uint8 with straight alpha."""
    a = alpha.float().clamp(min=1) / 255
    colour = (image.float() / a).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(torch.cat([colour, alpha]).permute(1, 2, 0).numpy())


def _premultiplied(rgba: np.ndarray) -> tuple[Tensor, Tensor]:
    pixels = torch.from_numpy(rgba.copy()).permute(2, 0, 1)
    return (pixels[:3].float() * (pixels[3:].float() / 255)).round().to(torch.uint8), pixels[3:].contiguous()
