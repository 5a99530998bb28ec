"""Picture and film files: png, gif, webp by Pillow, mp4 by PyAV, or a folder of png."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from posegen.errors import UsageError
from posegen.files import check_new, check_writable, disk_error

STILLS, FILMS = (".png", ".jpg", ".jpeg"), (".gif", ".webp", ".mp4")
OPAQUE = (".jpg", ".jpeg", ".mp4")
KINDS = (*STILLS, *FILMS)
SIDES = {".jpg": 65500, ".jpeg": 65500, ".gif": 65535, ".webp": 16383, ".mp4": 16384}
"""Pixels at most; a png has no such limit."""
RATES = {".gif": 100, ".webp": 1000, ".mp4": 1000}
"""Pictures a second at most: a gif counts hundredths of a second, webp thousandths, and faster mp4 cannot be read."""
SLOWEST = 0.1

Picture = NDArray[np.uint8]


def check(path: Path, pictures: int, *, size: int, fps: float, transparent: bool) -> None:
    """Before hours of drawing: raises UsageError where ``path`` cannot hold so many pictures of such a side, or so many
    a second, or their alpha, where something is there already, and where nothing can be written."""
    kind = path.suffix.lower()
    if kind and kind not in KINDS:
        raise UsageError(f"{path.name}: no picture or film ends in '{kind}'", f"choose among {', '.join(KINDS)}")
    if kind in STILLS and pictures > 1:
        raise UsageError(f"{path.name} holds one picture, and there are {pictures}", "--frames N, or -o FILM.gif")
    if transparent and kind in OPAQUE:
        raise UsageError(f"a {kind} file has no transparency", "--background white, or -o FILE.png")
    if size > SIDES.get(kind, size):
        raise UsageError(f"a {kind} file has at most {SIDES[kind]} pixels a side, not {size}", "--size 512, or a .png")
    if kind in RATES and pictures > 1 and not SLOWEST <= fps <= RATES[kind]:
        hint = "--fps N; of a fast clip every fourth picture is --frames ::4, at a fourth of its --fps"
        raise UsageError(f"a {kind} file shows {SLOWEST} to {RATES[kind]} pictures a second, not {fps:g}", hint)
    if kind == ".mp4":
        if size % 2:
            raise UsageError(f"a .mp4 file has an even number of pixels a side, not {size}", f"--size {size + 1}")
        _av()
    if kind or (path.exists() and not path.is_dir()):
        check_new(path, "-o")
    elif path.is_dir() and any(path.iterdir()):
        raise UsageError(f"{path} is not empty", "give -o a new folder, or an empty one")
    else:
        check_writable(path / "00000.png", "-o")


def write(path: Path, pictures: Iterable[Picture], fps: float) -> None:
    """uint8 pictures (H,W,3 or 4) -> one file, or without an ending a folder of 00000.png, ...

    Raises UsageError as ``check`` does, PosegenError where the disk is full or the folder cannot be written.
    """
    kind = path.suffix.lower()
    # written beside its place, then moved: half of it would be in the way of the next attempt
    path = path.absolute()
    name = f".{path.stem}.{os.getpid()}.part{kind}"
    part = path / name if path.is_dir() else path.with_name(name)  # a folder may be a file system of its own
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        {"": _folder, ".mp4": _mp4}.get(kind, _pillow)(part, pictures, fps)
        if path.is_dir():  # it is empty, see check, and may be where somebody is
            for picture in sorted(part.iterdir()):
                picture.replace(path / picture.name)
        else:
            part.replace(path)
    except OSError as error:
        raise disk_error(path, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        part.unlink(missing_ok=True)


def _folder(path: Path, pictures: Iterable[Picture], fps: float) -> None:
    path.mkdir()
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(path / f"{i:05d}.png")


def _pillow(path: Path, pictures: Iterable[Picture], fps: float) -> None:
    images = [Image.fromarray(picture) for picture in pictures]
    if len(images) == 1:
        images[0].save(path)
        return
    webp = path.suffix.lower() == ".webp"
    more: dict[str, Any] = {"lossless": False, "quality": 85} if webp else {"disposal": 2}
    duration = round(1000 / fps) if webp else 10 * round(100 / fps)  # of what is between, Pillow cuts off the rest
    images[0].save(path, save_all=True, append_images=images[1:], duration=duration, loop=0, **more)


def _mp4(path: Path, pictures: Iterable[Picture], fps: float) -> None:
    av = _av()
    with av.open(str(path), "w") as container:
        stream = None
        for picture in pictures:
            if stream is None:
                stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"  # which wants even sides
                stream.options = {"crf": "18"}
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode())


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise UsageError("mp4 files need PyAV", "pip install 'posegen[video]', or write a .gif or .webp") from error
    return av
