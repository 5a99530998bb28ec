"""Photographs of people: square crops in which the person fills the middle."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from posegen.errors import AssetError

MARGIN = 1.25
"""A crop's side over the person's longer side, as BlazePose's pipeline cuts."""
SIZE = 256
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


def photo_box(photos: Tensor) -> Tensor:
    """The person's box (N,4) in square crops (N,3,S,S) that were cut with ``MARGIN``."""
    size = photos.shape[-1]
    low, high = size / 2 * (1 - 1 / MARGIN), size / 2 * (1 + 1 / MARGIN)
    return torch.tensor([low, low, high, high], device=photos.device).expand(len(photos), 4)


def read_folder(folder: Path) -> Tensor:
    """Every picture of a folder, in the order of their names -> (N,3,256,256) in [0,1].

    A picture that is not square is cut to its middle square. Raises AssetError for a missing folder, a folder without
    pictures, and a picture that cannot be read.
    """
    if not folder.is_dir():
        raise AssetError(f"retain.folder: {folder} is not a folder", "give a folder of square crops of people")
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS)
    if not paths:
        raise AssetError(f"retain.folder: no picture in {folder}", f"put crops of people there ({', '.join(ENDINGS)})")
    return torch.stack([_read(path) for path in paths])


def read_picture(path: Path, mode: str, repair: str) -> Image.Image:
    """A picture file, upright as its EXIF data say, in Pillow's ``mode``. Raises AssetError if it is damaged."""
    try:
        with Image.open(path) as file:
            file.load()
            ImageOps.exif_transpose(file, in_place=True)
            return file if file.mode == mode else file.convert(mode)  # a copy of a big photograph takes milliseconds
    except (OSError, ValueError, SyntaxError, ArithmeticError, struct.error, Image.DecompressionBombError) as error:
        # Pillow's readers of damaged files raise any of these
        raise AssetError(f"{path} cannot be read: {error}", repair) from error


def _read(path: Path) -> Tensor:
    picture = read_picture(path, "RGB", "remove it or save it again")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side)).resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1).float() / 255
