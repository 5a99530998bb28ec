"""Figure 4: where the cameras of datasets are, as equal-area maps of the sphere around the person (Mollweide)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from posegen.viewpoints import AZIMUTHS, ELEVATIONS, Viewpoints, histogram, summary

WIDTH, HEIGHT = 640, 320  # of one ellipse, pixels
MARGIN, TITLE, FOOT, SCALE = 44, 40, 46, 70
OVERSAMPLED = 2
INK, FAINT = (30, 30, 30), (150, 150, 150)
RAMP = np.array([(247, 247, 247), (253, 219, 132), (244, 142, 82), (200, 60, 90), (92, 30, 110), (20, 12, 50)]) / 255
"""From none to many; light to dark, so that it survives printing in grey."""

Floats = NDArray[np.float64]


def draw(all_viewpoints: Sequence[Viewpoints]) -> Image.Image:
    """One map a dataset, beside each other and with one scale of colour. Colour is people in a place of the sphere over
    people there if they were spread evenly."""
    densities = [_density(v) for v in all_viewpoints]
    most = max(1.0, *(float(d.max()) for d in densities))
    panel = (WIDTH + 2 * MARGIN, TITLE + HEIGHT + FOOT)
    page = Image.new("RGB", (panel[0] * len(densities), panel[1] + SCALE), "white")
    for i, (viewpoints, density) in enumerate(zip(all_viewpoints, densities, strict=True)):
        page.paste(_panel(viewpoints, density, most), (i * panel[0], 0))
    _scale(page, most, panel[1])
    return page


def _density(viewpoints: Viewpoints) -> Floats:
    counts = histogram(viewpoints.azimuth, viewpoints.elevation)
    return counts / (len(viewpoints) / counts.size)


def _panel(viewpoints: Viewpoints, density: Floats, most: float) -> Image.Image:
    page = Image.new("RGB", (WIDTH + 2 * MARGIN, TITLE + HEIGHT + FOOT), "white")
    page.paste(_map(density, most), (MARGIN, TITLE))
    pen = ImageDraw.Draw(page)
    _graticule(pen)
    middle = MARGIN + WIDTH / 2
    facts = summary(viewpoints)
    pen.text((middle, 18), f"{viewpoints.name}: {len(viewpoints):,} people", INK, _font(18), "mm")
    line = (
        f"elevation {facts['elevation_5']:.0f}° to {facts['elevation_95']:.0f}° (90 % of people), "
        f"above 30°: {facts['above_30']:.0%}, below -30°: {facts['below_30']:.0%}"
    )
    pen.text((middle, TITLE + HEIGHT + 30), line, INK, _font(14), "mm")
    return page


def _map(density: Floats, most: float) -> Image.Image:
    w, h = WIDTH * OVERSAMPLED, HEIGHT * OVERSAMPLED
    x = (np.arange(w) + 0.5) / w * 2 - 1
    y = 1 - (np.arange(h) + 0.5) / h * 2
    inside = x[None] ** 2 + y[:, None] ** 2 < 1
    theta = np.arcsin(y)
    sine = (2 * theta + np.sin(2 * theta)) / np.pi  # of the latitude: rows of the histogram are even in it
    row = np.clip(((sine + 1) / 2 * ELEVATIONS).astype(int), 0, ELEVATIONS - 1)
    longitude = x[None] / np.cos(theta)[:, None]  # -1 to 1 over the whole circle
    column = np.clip(((longitude + 1) / 2 * AZIMUTHS).astype(int), 0, AZIMUTHS - 1)
    colours = _colour(density[row[:, None], column], most)
    pixels = np.where(inside[..., None], colours, 1.0)
    return Image.fromarray((pixels * 255).round().astype(np.uint8)).resize((WIDTH, HEIGHT), Image.Resampling.BOX)


def _colour(density: Floats, most: float) -> Floats:
    """The square root spreads the few out: a camera that stands still puts all of a film into one place."""
    at = np.sqrt(density / most) * (len(RAMP) - 1)
    low = np.clip(at.astype(int), 0, len(RAMP) - 2)
    share = (at - low)[..., None]
    mixed: Floats = RAMP[low] * (1 - share) + RAMP[low + 1] * share
    return mixed


def _graticule(pen: ImageDraw.ImageDraw) -> None:
    for elevation in (-60, -30, 0, 30, 60):
        left, right = (_place(azimuth, elevation) for azimuth in (-180, 180))
        pen.line([left, right], FAINT)
        pen.text((left[0] - 6, left[1]), f"{elevation}°", INK, _font(13), "rm")
    for azimuth in (-180, -90, 0, 90, 180):
        meridian = [_place(azimuth, float(e)) for e in np.linspace(-90, 90, 91)]
        pen.line(meridian, INK if abs(azimuth) == 180 else FAINT)
    for azimuth, word in ((-180, "behind"), (-90, "right"), (0, "front"), (90, "left"), (180, "behind")):
        x, y = _place(azimuth, 0)
        pen.text((x, y + 3), word, INK, _font(13), "ma", stroke_width=2, stroke_fill="white")


def _place(azimuth: float, elevation: float) -> tuple[float, float]:
    """Degrees -> pixels of a panel (Mollweide)."""
    latitude = np.radians(elevation)
    theta = latitude
    for _ in range(50):  # Newton, on 2t + sin 2t = pi sin(latitude); slow at the poles, where t is the latitude
        slope = 2 + 2 * np.cos(2 * theta)
        if abs(slope) < 1e-9:
            break
        theta = theta - (2 * theta + np.sin(2 * theta) - np.pi * np.sin(latitude)) / slope
    x, y = azimuth / 180 * np.cos(theta), np.sin(theta)
    return MARGIN + (x + 1) / 2 * WIDTH, TITLE + (1 - y) / 2 * HEIGHT


def _scale(page: Image.Image, most: float, top: int) -> None:
    width, height = 400, 16
    left = (page.width - width) // 2
    ramp = _colour(np.linspace(0, most, width)[None].repeat(height, 0), most)
    page.paste(Image.fromarray((ramp * 255).round().astype(np.uint8)), (left, top + 6))
    pen = ImageDraw.Draw(page)
    pen.rectangle((left, top + 6, left + width, top + 6 + height), outline=FAINT)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        pen.text((left + share * width, top + 26), f"{share * most:.1f}", INK, _font(13), "ma")
    words = "people there, as a multiple of an even spread over the sphere; all cells have one area"
    pen.text((page.width / 2, top + 46), words, INK, _font(13), "ma")


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
