"""Person boxes, and the crop that an estimator looks at. Boxes are x0,y0,x1,y1 in pixels; pixel i spans [i, i+1]."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

SHOWN = 0.25  # of a pixel: in small pictures an arm is thinner than one


def box_from_alpha(alpha: Tensor, threshold: float = 0.5) -> Tensor:
    """The tight box (N,4) around the pixels of ``alpha`` (N,1,H,W) above ``threshold``; an empty
    image gives all of it."""
    person = alpha[:, 0] > threshold
    spans = []
    for along in (person.any(dim=1), person.any(dim=2)):  # columns (N,W), rows (N,H)
        size = along.shape[1]
        on = along.to(torch.uint8)
        first = on.argmax(dim=1)
        last = size - on.flip(1).argmax(dim=1)  # nothing on: first 0, last size, which is the whole frame
        spans.append((first, last))
    (x0, x1), (y0, y1) = spans
    return torch.stack([x0, y0, x1, y1], dim=1).to(alpha.dtype)


def square(box: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Boxes (N,4) -> centre (N,2) and side (N,) of the square that holds ``scale`` times the longer side."""
    low, high = box[:, :2], box[:, 2:]
    return (low + high) / 2, (high - low).amax(dim=1) * scale


def resample(
    image: Tensor, centre: Tensor, side: Tensor, size: int | tuple[int, int], angle: Tensor | None = None
) -> Tensor:
    """Cut squares out of images (N,C,H,W) -> (N,C,size,size), differentiable in the image and in the square.

    centre (N,2) and side (N,): pixels.  size: of the crop; (height, width) for one that is not square, whose height is
    then ``side`` and whose width is in proportion.  angle (N,): radians; the crop's x axis points along (cos, sin) of
    the image.  It is black outside the image.  An image larger than the crop is sampled from a pyramid of box-filtered
    copies, blended by the crop's scale, so that shrinking does not alias; the pyramid depends on shapes alone, never on
    the other crops of the batch.
    """
    n, _, height, width = image.shape
    rows, columns = (size, size) if isinstance(size, int) else size
    x, y = ((torch.arange(m, dtype=centre.dtype, device=centre.device) + 0.5 - m / 2) / rows for m in (columns, rows))
    offset = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(1, -1, 2) * side[:, None, None]
    if angle is not None:
        cos, sin = torch.cos(angle), torch.sin(angle)
        offset = offset @ torch.stack([cos, sin, -sin, cos], dim=-1).reshape(-1, 2, 2)
    pixels = (centre[:, None] + offset).reshape(n, rows, columns, 2)

    levels = max(0, math.ceil(math.log2(max(height, width) / rows)))
    level = torch.log2((side / rows).clamp(1, 2**levels))
    out = torch.zeros((n, image.shape[1], rows, columns), dtype=image.dtype, device=image.device)
    copy = image
    for k in range(levels + 1):
        if k:
            copy = F.avg_pool2d(copy, 2, ceil_mode=True)
        extent = pixels.new_tensor([copy.shape[3], copy.shape[2]]) * 2**k
        sampled = F.grid_sample(copy, (2 * pixels / extent - 1).to(copy.dtype), align_corners=False)
        out = out + sampled * (1 - (level - k).abs()).clamp_min(0).to(copy.dtype)[:, None, None, None]
    return out


def shown(alpha: Tensor, points: Tensor) -> Tensor:
    """alpha (N,1,H,W), pixels (N,P,2) -> (N,P) whether somebody is drawn there, or beside it.

    Beside is within two pixels, or a hundredth of a side.
    """
    height, width = alpha.shape[-2:]
    reach = max(2, round(min(height, width) / 100))
    pixel = (points.detach() - 0.5).round().long()
    inside = ((pixel >= 0) & (pixel < pixel.new_tensor([width, height]))).all(-1)
    beside = torch.arange(-reach, reach + 1, device=pixel.device)
    x, y = ((pixel[..., i, None] + beside).clamp(0, side - 1) for i, side in enumerate((width, height)))  # (N,P,K)
    around = (y[..., :, None] * width + x[..., None, :]).flatten(1)
    near: Tensor = alpha.detach().flatten(1).gather(1, around).unflatten(1, (points.shape[1], -1)).amax(-1)
    return inside & (near > SHOWN)
