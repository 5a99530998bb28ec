"""Picture and film files: png, gif, webp by Pillow, mp4 by PyAV, or a folder of png."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from posegen.errors import UsageError, nearest
from posegen.files import check_writable, disk_error

STILLS, FILMS = (".png", ".jpg", ".jpeg"), (".gif", ".webp", ".mp4")
OPAQUE = (".jpg", ".jpeg", ".mp4")
KINDS = (*STILLS, *FILMS)

Picture = NDArray[np.uint8]


def check(path: Path, pictures: int, *, transparent: bool) -> None:
    """Before hours of drawing: raises UsageError where ``path`` cannot be, or hold so many pictures, or their alpha."""
    kind = path.suffix.lower()
    if kind and kind not in KINDS:
        raise UsageError(f"{path.name}: no picture or film ends in '{kind}'", nearest(kind, KINDS) or ", ".join(KINDS))
    if kind in STILLS and pictures > 1:
        raise UsageError(f"{path.name} holds one picture, and there are {pictures}", "--frames N, or -o FILM.gif")
    if transparent and kind in OPAQUE:
        raise UsageError(f"a {kind} file has no transparency", "--background white, or -o FILE.png")
    if kind == ".mp4":
        _av()
    check_writable(path if kind else path / "00000.png", "-o")


def write(path: Path, pictures: Iterable[Picture], fps: float) -> None:
    """uint8 pictures (H,W,3 or 4) -> one file, or without an ending a folder of 00000.png, ...

    Raises UsageError as ``check`` does, PosegenError where the disk is full or the folder cannot be written.
    """
    kind = path.suffix.lower()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not kind:
            path.mkdir(exist_ok=True)
            for i, picture in enumerate(pictures):
                Image.fromarray(picture).save(path / f"{i:05d}.png")
        elif kind == ".mp4":
            _mp4(path, pictures, fps)
        else:
            _pillow(path, [Image.fromarray(picture) for picture in pictures], fps)
    except OSError as error:
        raise disk_error(path, error) from error


def _pillow(path: Path, images: list[Image.Image], fps: float) -> None:
    if len(images) == 1:
        images[0].save(path)
        return
    more: dict[str, Any] = {"lossless": False, "quality": 85} if path.suffix.lower() == ".webp" else {"disposal": 2}
    images[0].save(path, save_all=True, append_images=images[1:], duration=round(1000 / fps), loop=0, **more)


def _mp4(path: Path, pictures: Iterable[Picture], fps: float) -> None:
    av = _av()
    with av.open(str(path), "w") as container:
        stream = None
        for picture in pictures:
            height, width = (n - n % 2 for n in picture.shape[:2])  # H.264 in yuv420p wants even sides
            if stream is None:
                stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.options = {"crf": "18"}
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode())


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise UsageError("mp4 files need PyAV", "pip install 'posegen[video]', or write a .gif or .webp") from error
    return av
