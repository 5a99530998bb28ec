"""Figure 4: where the cameras of datasets are, as equal-area maps of the sphere around the person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from posegen.report import mollweide
from posegen.report.mollweide import HEIGHT, WIDTH, Floats
from posegen.viewpoints import AZIMUTHS, ELEVATIONS, Viewpoints, histogram, summary

OVERSAMPLED = 2


def draw(all_viewpoints: Sequence[Viewpoints]) -> Image.Image:
    """One map a dataset, beside each other and with one scale of colour. Colour is people in a place of the sphere over
    people there if they were spread evenly."""
    densities = [_density(v) for v in all_viewpoints]
    most = max(1.0, *(float(d.max()) for d in densities))
    page = mollweide.page(len(densities))
    for i, (viewpoints, density) in enumerate(zip(all_viewpoints, densities, strict=True)):
        page.paste(_panel(viewpoints, density, most), (i * mollweide.PANEL[0], 0))
    labels = [f"{share * most:.1f}" for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    words = "people there, as a multiple of an even spread over the sphere; all cells have one area"
    mollweide.scale(page, _colour(np.linspace(0, 1, 400)), labels, words)
    return page


def _density(viewpoints: Viewpoints) -> Floats:
    counts = histogram(viewpoints.azimuth, viewpoints.elevation)
    return counts / (len(viewpoints) / counts.size)


def _panel(viewpoints: Viewpoints, density: Floats, most: float) -> Image.Image:
    facts = summary(viewpoints)
    foot = (
        f"elevation {facts['elevation_5']:.0f}° to {facts['elevation_95']:.0f}° (90 % of people), "
        f"above 30°: {facts['above_30']:.0%}, below -30°: {facts['below_30']:.0%}"
    )
    return mollweide.panel(f"{viewpoints.name}: {len(viewpoints):,} people", foot, _map(density, most))[0]


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
    colours = _colour(density[row[:, None], column] / most)
    pixels = np.where(inside[..., None], colours, 1.0)
    return Image.fromarray((pixels * 255).round().astype(np.uint8)).resize((WIDTH, HEIGHT), Image.Resampling.BOX)


def _colour(share: Floats) -> Floats:
    """The square root spreads the few out: a camera that stands still puts all of a film into one place."""
    return mollweide.colour(np.sqrt(share))
