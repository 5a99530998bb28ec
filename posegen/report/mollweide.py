"""Equal-area maps of the sphere around a person (Mollweide): the frame, the lines, the colours, the scale below."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 640, 320  # of one ellipse, pixels
MARGIN, TITLE, FOOT, SCALE = 44, 40, 46, 70
PANEL = (WIDTH + 2 * MARGIN, TITLE + HEIGHT + FOOT)
INK, FAINT = (30, 30, 30), (150, 150, 150)
RAMP = np.array([(247, 247, 247), (253, 219, 132), (244, 142, 82), (200, 60, 90), (92, 30, 110), (20, 12, 50)]) / 255
"""From little to much; light to dark, so that it survives printing in grey."""

Floats = NDArray[np.float64]


def page(panels: int) -> Image.Image:
    """Room for so many maps beside each other, and one scale."""
    return Image.new("RGB", (PANEL[0] * panels, PANEL[1] + SCALE), "white")


def panel(title: str, foot: str, content: Image.Image | None = None) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """One map with its lines and words, over a picture of the ellipse, and a pen to go on with."""
    made = Image.new("RGB", PANEL, "white")
    if content is not None:
        made.paste(content, (MARGIN, TITLE))
    pen = ImageDraw.Draw(made)
    _graticule(pen)
    directions(pen)
    middle = MARGIN + WIDTH / 2
    pen.text((middle, 18), title, INK, font(18), "mm")
    pen.text((middle, TITLE + HEIGHT + 30), foot, INK, font(14), "mm")
    return made, pen


def colour(share: Floats) -> Floats:
    """Shares of the most (...,) -> colours (...,3), 0 to 1."""
    at = share.clip(0, 1) * (len(RAMP) - 1)
    low = np.clip(at.astype(int), 0, len(RAMP) - 2)
    part = (at - low)[..., None]
    mixed: Floats = RAMP[low] * (1 - part) + RAMP[low + 1] * part
    return mixed


def place(azimuth: float, elevation: float) -> tuple[float, float]:
    """Degrees -> pixels of a panel."""
    latitude = np.radians(elevation)
    theta = latitude
    for _ in range(50):  # Newton, on 2t + sin 2t = pi sin(latitude); slow at the poles, where t is the latitude
        slope = 2 + 2 * np.cos(2 * theta)
        if abs(slope) < 1e-9:
            break
        theta = theta - (2 * theta + np.sin(2 * theta) - np.pi * np.sin(latitude)) / slope
    x, y = azimuth / 180 * np.cos(theta), np.sin(theta)
    return MARGIN + (x + 1) / 2 * WIDTH, TITLE + (1 - y) / 2 * HEIGHT


def scale(page: Image.Image, ramp: Floats, labels: list[str], words: str) -> None:
    """Below the maps: the colours of a ramp (N,3), labels evenly spread over it, and what they are."""
    width, height = 400, 16
    left, top = (page.width - width) // 2, PANEL[1]
    strip = ramp[np.linspace(0, len(ramp) - 1, width).round().astype(int)][None].repeat(height, 0)
    page.paste(Image.fromarray((strip * 255).round().astype(np.uint8)), (left, top + 6))
    pen = ImageDraw.Draw(page)
    pen.rectangle((left, top + 6, left + width, top + 6 + height), outline=FAINT)
    for share, label in zip(np.linspace(0, 1, len(labels)), labels, strict=True):
        pen.text((left + float(share) * width, top + 26), label, INK, font(13), "ma")
    pen.text((page.width / 2, top + 46), words, INK, font(13), "ma")


def font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _graticule(pen: ImageDraw.ImageDraw) -> None:
    for elevation in (-60, -30, 0, 30, 60):
        left, right = (place(azimuth, elevation) for azimuth in (-180, 180))
        pen.line([left, right], FAINT)
        pen.text((left[0] - 6, left[1]), f"{elevation}°", INK, font(13), "rm")
    for azimuth in (-180, -90, 0, 90, 180):
        meridian = [place(azimuth, float(e)) for e in np.linspace(-90, 90, 91)]
        pen.line(meridian, INK if abs(azimuth) == 180 else FAINT)


def directions(pen: ImageDraw.ImageDraw) -> None:
    """The words along the equator; again after what was drawn over them."""
    for azimuth, word in ((-180, "behind"), (-90, "right"), (0, "front"), (90, "left"), (180, "behind")):
        x, y = place(azimuth, 0)
        pen.text((x, y + 3), word, INK, font(13), "ma", stroke_width=2, stroke_fill="white")
