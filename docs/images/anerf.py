"""Draws ``anerf-vs-mesh.webp``, and prints what docs/fit.md says of it: ``python docs/images/anerf.py [PERSON]``.

PERSON: what ``--set renderer.subject`` takes; the shipped s0 by default. It is compared with the mesh of s0.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import torch
from PIL import Image
from posegen_anerf.fit.measure import psnr, ssim

from posegen.assemble import make
from posegen.geometry import box_from_alpha, from_spherical, orbit, relative, uniform_sphere
from posegen.settings import Selection

CPU = torch.device("cpu")
FRAMES, BATCH, COLUMNS, SIDE, SEED = 48, 8, 8, 256, 123


def main() -> None:
    """Frames of the validation and test clips, from the whole sphere; then level views for BlazePose."""
    person = sys.argv[1] if len(sys.argv) > 1 else "s0"
    mesh = make("renderer", Selection(name="mesh", options={"subject": "s0"}), CPU)
    nerf = make("renderer", Selection(name="anerf", options={"subject": person}), CPU)
    motion, photos = (make(kind, Selection(name="starter"), CPU) for kind in ("motion", "photos"))
    rng = torch.Generator().manual_seed(SEED)
    frames = torch.cat([clip.poses for split in ("validation", "test") for clip in motion.clips(split)]).float()
    frames = frames[torch.randperm(len(frames), generator=rng)[:FRAMES]]
    theta, root = frames[:, 1:], frames[:, 0]
    view = relative(uniform_sphere(FRAMES, rng), root)
    azimuth = (2 * torch.rand(FRAMES, generator=rng) - 1) * math.pi
    level = from_spherical(azimuth, torch.zeros(FRAMES))

    pairs = [[r.render(t, c) for r in (mesh, nerf)] for t, c in _batches(theta, orbit(view, size=SIDE))]
    whole, box, similar = zip(*(row for a, b in pairs for row in _compare(a, b)), strict=True)
    names = ("whole frame, dB", "the person's box, dB", "the person's box, SSIM")
    for name, values in zip(names, (whole, box, similar), strict=True):
        sys.stdout.write(f"{name}: {sum(values) / FRAMES:.3f}\n")

    walls = photos.backgrounds("test")[torch.arange(FRAMES) % 4]
    for name, behind in (("grey", torch.full_like(walls[:1], 0.5).expand(FRAMES, -1, -1, -1)), ("photographs", walls)):
        errors = [_blazepose(renderer, theta, level, behind) for renderer in (mesh, nerf)]
        sys.stdout.write(f"BlazePose lite before {name}: mesh {errors[0]:.1f} mm, A-NeRF {errors[1]:.1f} mm\n")

    sheet = Image.new("RGB", (COLUMNS * SIDE, 2 * SIDE))
    for row, drawn in enumerate(pairs[0]):
        for column, picture in enumerate((255 * drawn.over(1.0).clamp(0, 1)).byte().permute(0, 2, 3, 1).numpy()):
            sheet.paste(Image.fromarray(picture), (column * SIDE, row * SIDE))
    sheet.save(Path(__file__).with_name("anerf-vs-mesh.webp"), quality=90, method=6)


def _batches(theta, camera):
    for start in range(0, len(theta), BATCH):
        yield theta[start : start + BATCH], camera[start : start + BATCH]


def _compare(mesh, nerf):
    """Rows of PSNR of the frame and of the person's box, and SSIM there, over white."""
    boxes = box_from_alpha(mesh.alpha).long().tolist()
    for wanted, drawn, (x0, y0, x1, y1) in zip(mesh.over(1.0), nerf.over(1.0).clamp(0, 1), boxes, strict=True):
        wanted, drawn, inside = wanted.permute(1, 2, 0), drawn.permute(1, 2, 0), (slice(y0, y1), slice(x0, x1))
        error = (wanted - drawn).square()
        yield float(psnr(error)), float(psnr(error[inside])), float(ssim(drawn, wanted)[inside].mean())


@torch.no_grad()
def _blazepose(renderer, theta, view, behind) -> float:
    """MPJPE of the limbs in mm."""
    estimator = make("estimator", Selection(name="blazepose"), CPU)
    joints, errors = renderer.body.joint_set(estimator.joint_set), []
    limbs, root = list(joints.limbs), list(joints.root)
    truth = renderer.body.joints(theta, view, estimator.joint_set)
    for start, (pose, camera) in enumerate(_batches(theta, orbit(view, size=SIDE))):
        part = slice(start * BATCH, start * BATCH + BATCH)
        drawn = renderer.render(pose, camera)
        crop = estimator.crop(drawn.over(behind[part]).clamp(0, 1), box_from_alpha(drawn.alpha))
        off = estimator.predict(crop).joints - truth[part]
        off = off - off[:, root].mean(1, keepdim=True)
        errors.append(1000 * off[:, limbs].norm(dim=-1).mean(1))
    return float(torch.cat(errors).mean())


if __name__ == "__main__":
    main()
