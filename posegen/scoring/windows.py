"""The part of a picture that an estimator may look at, read ahead by threads while it thinks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from posegen.datasets.photos import read_picture
from posegen.datasets.records import Record
from posegen.errors import AssetError

REACH = 2.0
"""A window's side over the person's longer side: that of the largest crop, CLIFF's with a scale of 1.5."""
GRID = 32
"""Windows begin at multiples of this, so that an estimator's pyramid of shrunk copies is that of the whole picture."""
AHEAD = 3  # pictures read ahead by each thread
OPAQUE = ("RGB", "L", "CMYK", "YCbCr", "1")


@dataclass(frozen=True, slots=True)
class Window:
    """image: (3,h,w) float32 in [0,1].  box: (4,) in its pixels.  size: width and height of the whole picture."""

    image: Tensor
    box: Tensor
    size: tuple[int, int]


Seen = tuple[Record, Window]


def read_ahead(records: Iterable[Record], workers: int) -> Iterator[Seen]:
    """Each record with its window, in order; a picture of several people is read once if they follow each other.

    workers: threads that read; 0 reads when asked.
    Raises AssetError naming a picture that is missing or damaged.
    """
    pictures = ((path, list(people)) for path, people in groupby(records, key=_picture))
    if workers == 0:
        for path, people in pictures:
            yield from windows(path, people)
        return
    waiting: deque[Future[list[Seen]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for path, people in pictures:
                waiting.append(pool.submit(windows, path, people))
                if len(waiting) >= AHEAD * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


def windows(path: Path, people: Sequence[Record]) -> list[Seen]:
    """The windows of the people in one picture."""
    repair = "copy or unpack the dataset's images again"
    picture = read_picture(path, "RGBA" if _may_have_alpha(path) else "RGB", repair)
    if picture.mode == "RGBA":
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    return [(record, _cut(picture, record)) for record in people]


def _cut(picture: Image.Image, record: Record) -> Window:
    box = _box(record)
    x0, y0, x1, y1 = box.tolist()
    reach = REACH / 2 * max(x1 - x0, y1 - y0, 1.0)
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    left, top = (max(0, int((c - reach) // GRID * GRID)) for c in (cx, cy))
    right, bottom = min(picture.width, int(cx + reach) + 1), min(picture.height, int(cy + reach) + 1)
    if left >= right or top >= bottom:
        left, top, right, bottom = 0, 0, 1, 1  # the box lies outside: the crop shows its own fill
    corner = box.new_tensor([left, top, left, top])
    return Window(_floats(picture.crop((left, top, right, bottom))), box - corner, picture.size)


def _floats(picture: Image.Image) -> Tensor:
    """(3,h,w) in [0,1]. Done where pictures are read, so that the estimator does not wait for it."""
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
    return pixels.to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def _box(record: Record) -> Tensor:
    if record.box is None or not bool(record.box.isfinite().all()):
        raise AssetError(f"{record.key} has no box around the person", "evaluate a dataset with boxes")
    return record.box


def _may_have_alpha(path: Path) -> bool:
    if path.suffix.lower() in (".jpg", ".jpeg"):
        return False
    try:
        with Image.open(path) as file:
            return file.mode not in OPAQUE
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False  # whoever reads it says what is wrong


def _picture(record: Record) -> Path:
    if record.image is None:
        raise AssetError(f"{record.key} has no image", "evaluate a dataset with images")
    return record.image
