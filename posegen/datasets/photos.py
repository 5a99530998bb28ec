"""Photographs of people: square crops in which the person fills the middle."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from posegen.errors import AssetError
from posegen.files import read_error

MARGIN = 1.25
"""A crop's side over the person's longer side, as BlazePose's pipeline cuts."""
SIZE = 256
GREYS = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
"""Pillow's modes of more than 8 bits: a 16-bit PNG is any but the last, by Pillow's version."""
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


def photo_box(photos: Tensor) -> Tensor:
    """The person's box (N,4) in square crops (N,3,S,S) that were cut with ``MARGIN``."""
    size = photos.shape[-1]
    low, high = size / 2 * (1 - 1 / MARGIN), size / 2 * (1 + 1 / MARGIN)
    return torch.tensor([low, low, high, high], device=photos.device).expand(len(photos), 4)


def read_folder(folder: Path, most: int | None = None) -> Tensor:
    """Every picture of a folder, in the order of their names -> (N,3,256,256) in [0,1].

    most: of more pictures so many, spread evenly over their names.
    A picture that is not square is cut to its middle square. Raises AssetError for a missing folder, a folder without
    pictures, and a picture that cannot be read.
    """
    return torch.stack([_read(path) for path in _listed(folder, most)])


def check_folder(folder: Path, most: int | None = None) -> None:
    """Reads the pictures that ``read_folder`` would, and keeps none. Raises as it does."""
    for path in _listed(folder, most):
        _read(path)


def read_picture(path: Path, mode: str, repair: str, largest: int | None = None) -> Image.Image:
    """A picture file, upright as its EXIF data say, in Pillow's ``mode`` of 8 bits a colour.

    largest: pixels of a side. Raises AssetError, with ``repair`` as its hint, if it is missing or damaged; with another
    if it cannot be read or is too large.
    """
    try:
        with Image.open(path) as file:
            if largest and max(file.size) > largest:
                raise AssetError(f"{path} is {file.width} x {file.height} pixels", f"at most {largest} a side")
            file.load()
            ImageOps.exif_transpose(file, in_place=True)
            picture = _eight_bits(file) if file.mode in GREYS else file
            # a copy of a big photograph takes milliseconds
            return picture if picture.mode == mode else picture.convert(mode)
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise AssetError(f"{path} cannot be read: it has more than {most} million pixels", "save it smaller") from error
    except (OSError, ValueError, SyntaxError, ArithmeticError, struct.error) as error:
        if isinstance(error, OSError) and error.errno:  # the system's; what is wrong in a file Pillow says without
            raise read_error(path, error, repair) from error
        # Pillow's readers of damaged files raise any of these
        raise AssetError(f"{path} cannot be read: {error}", repair) from error


def _listed(folder: Path, most: int | None) -> list[Path]:
    """The pictures of a folder, or so many of them. Raises AssetError where there are none."""
    if not folder.is_dir():
        raise AssetError(f"retain.folder: {folder} is not a folder", "give a folder of square crops of people")
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS)
    if not paths:
        raise AssetError(f"retain.folder: no picture in {folder}", f"put crops of people there ({', '.join(ENDINGS)})")
    count = min(most or len(paths), len(paths))
    return [paths[i * len(paths) // count] for i in range(count)]


def _eight_bits(grey: Image.Image) -> Image.Image:
    """Pillow's own conversion makes everything white that is above 255."""
    pixels = np.asarray(grey, np.float32)
    wide = grey.mode.startswith("I;16") or pixels.max() > 255
    white = 1 if grey.mode == "F" and pixels.max() <= 1 else 65535 if wide and grey.mode != "F" else 255
    return Image.fromarray(np.rint((pixels / white).clip(0, 1) * 255).astype(np.uint8))


def _read(path: Path) -> Tensor:
    picture = read_picture(path, "RGB", "remove it or save it again")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side)).resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1).float() / 255
