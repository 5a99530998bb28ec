"""``posegen render``: pictures of any pose, from any side."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from posegen.cli import options
from posegen.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

TURNTABLE = 48  # pictures of a still pose's turntable


def render(
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="A new .png, .jpg, .gif, .webp, .mp4, or folder of png.")
    ],
    renderer: options.Renderer = "anerf",
    pose: Annotated[
        str, typer.Option("--pose", metavar="FILE|CLIP", help="A .npz, .npy or .bvh, a clip's name, or rest.")
    ] = "rest",
    frames: Annotated[
        str | None, typer.Option("--frames", metavar="N|A:B:STEP", help="Frames of it.", show_default="all")
    ] = None,
    view: Annotated[
        str, typer.Option("--view", metavar="AZ,EL[,ROLL]", help="Camera, degrees: 0,0 is in front, 90,0 at the left.")
    ] = "0,0",
    turns: Annotated[
        float | None,
        typer.Option("--turns", help="Times that the camera goes round.", show_default="1 for a film of one pose"),
    ] = None,
    size: Annotated[int, typer.Option("--size", min=1, metavar="PIXELS", help="Side of the pictures.")] = 512,
    distance: Annotated[float, typer.Option("--distance", metavar="METRES", help="From camera to pelvis.")] = 4.0,
    whole: Annotated[bool, typer.Option("--whole", help="The whole view of the camera, not zoomed in.")] = False,
    background: Annotated[
        str, typer.Option("--background", metavar="COLOUR|FILE", help="A colour, a picture, or transparent.")
    ] = "white",
    fps: Annotated[
        float | None, typer.Option("--fps", min=0.1, help="Pictures a second.", show_default="the clip's")
    ] = None,
    assignments: options.Set = None,
    device: options.Device = None,
) -> None:
    """Draw a person in any pose, from any side: a picture, a clip as a film, a turntable."""
    angles = _angles(view)
    for option, number in {"--turns": turns, "--distance": distance, "--fps": fps}.items():
        if not math.isfinite(number or 0):
            raise UsageError(f"{option} {number} is not a finite number", "posegen render --help")
    from posegen.settings import NEAREST

    if distance < NEAREST:
        raise UsageError(
            f"--distance {distance:g} puts the camera among the person's limbs", f"{NEAREST} metres at least, like 4"
        )

    import torch

    from posegen import config, film, seeding
    from posegen import render as drawing
    from posegen.assemble import complete, make, usable_device
    from posegen.cli import screen
    from posegen.datasets import pose_file
    from posegen.track import Track

    chosen = {"--renderer": ("renderer", renderer), "--device": ("device", device)}
    configuration = config.load([], chosen, assignments or [])  # a recipe's renderer may be quick where this is not
    settings = complete(configuration.settings, configuration.given)
    where = usable_device(settings.device)
    seeding.seed_torch(settings.seed, "render")
    artist, motion = make("renderer", settings.renderer, where), make("motion", settings.motion, torch.device("cpu"))
    clip = pose_file.read_poses(pose, motion, artist.body.rest_joints.cpu())
    poses = clip.poses[list(pose_file.frames(clip, frames))]
    if len(poses) == 1 and turns is None and (out.suffix.lower() in film.FILMS or not out.suffix):
        turns = 1.0
    if len(poses) == 1 and turns:
        poses = poses.expand(TURNTABLE, -1, -1)
    behind = _background(background, size)
    fps = fps or clip.fps
    film.check(out, len(poses), size=size, fps=fps, transparent=behind is None)
    views = drawing.turntable(*angles, len(poses), turns or 0.0)
    drawn = drawing.pictures(
        artist, poses, views, distance=distance, size=size, background=behind, close=not whole
    )  # fmt: skip
    console = screen.out()
    with Track(None, console).phase(f"render {clip.name}", len(poses)) as phase:

        def shown() -> Any:
            for picture in drawn:
                phase.advance()
                yield picture.numpy()

        film.write(out, shown(), fps)
    console.print(f"{len(poses)} picture{'s' * (len(poses) != 1)} in {out}", markup=False)


def _angles(text: str) -> tuple[float, float, float]:
    try:
        numbers = [float(part) for part in text.split(",")]
        azimuth, elevation, roll = [*numbers, 0.0][:3] if len(numbers) < 3 else numbers
        if not all(map(math.isfinite, numbers)):
            raise ValueError
    except ValueError as error:
        raise UsageError(f"--view '{text}' is not AZ,EL or AZ,EL,ROLL", "in degrees, like --view 30,10") from error
    return azimuth, elevation, roll


def _background(text: str, size: int) -> Tensor | None:
    """A colour or a picture (3,size,size) or (3,1,1) in [0,1]; None is transparent."""
    import numpy as np
    import torch
    from PIL import ImageColor, ImageOps

    from posegen.datasets.photos import read_picture

    if text == "transparent":
        return None
    try:
        return torch.tensor(ImageColor.getrgb(text)[:3])[:, None, None] / 255
    except ValueError:
        pass
    known = "like white, '#204060', photo.jpg, transparent"
    if not os.path.isfile(text):  # noqa: PTH113 (it says no of what can be no path, too)
        raise UsageError(f"--background '{text}' is neither a colour nor a picture", known)
    fitted = ImageOps.fit(read_picture(Path(text), "RGB", known), (size, size))
    return torch.from_numpy(np.array(fitted)).permute(2, 0, 1) / 255
