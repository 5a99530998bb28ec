"""Draws ``tradeoff.webp``: what is gained at rare views and paid elsewhere. ``python docs/images/tradeoff.py FOLDER``

A dot a row of an ablation's table: how ``usd`` changed, and beside it how ``ind`` and ``real`` did, percent of MPJPE.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 720, 520, 70, 40, 60, 110
INK, FAINT, DOT = (30, 30, 30), (215, 215, 215), (200, 60, 90)
Point = tuple[str, float, float]


def panel(title: str, points: list[Point], across: list[int], up: list[int]) -> Image.Image:
    """One plot; across, up: the ticks, the first and the last of which are the ends of the axes."""
    page = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(page)

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (x - across[0]) / (across[-1] - across[0]) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - (y - up[0]) / (up[-1] - up[0]) * (HEIGHT - TOP - BOTTOM),
        )

    for x in across:
        pen.line([place(x, up[0]), place(x, up[-1])], INK if x == 0 else FAINT)
        pen.text((place(x, up[0])[0], HEIGHT - BOTTOM + 6), f"{x:+d}", INK, _font(13), "ma")
    for y in up:
        pen.line([place(across[0], y), place(across[-1], y)], INK if y == 0 else FAINT)
        pen.text((LEFT - 8, place(across[0], y)[1]), f"{y:+d}", INK, _font(13), "rm")
    pen.text((WIDTH / 2, 18), title, INK, _font(16), "mm")
    pen.text(((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 18), "usd, % (left is better)", INK, _font(14), "mm")
    words: list[tuple[float, float, float]] = []
    for name, x, y in sorted(points, key=lambda point: -point[2]):
        right, down = place(x, y)
        pen.ellipse((right - 5, down - 5, right + 5, down + 5), DOT)
        start, end = right + 9, right + 9 + _font(13).getlength(name)
        while any(start < e and s < end and abs(down - d) < 13 for s, e, d in words):
            down += 2  # below a name that is there
        words.append((start, end, down))
        pen.text((start, down), name, INK, _font(13), "lm")
    return page


def ticks(values: list[float], step: int) -> list[int]:
    """Multiples of ``step`` around all values and zero."""
    low, high = min(0, *values) // step, -(-max(0, *values) // step)
    return [round(i * step) for i in range(int(low), int(high) + 1)]


def main(folder: Path) -> None:
    """ind on the left, real on the right."""
    rows = json.loads((folder / "table.json").read_text(encoding="utf-8"))["rows"]
    changes = {
        row["row"]: {name: figure["change_percent"]["mean"] for name, figure in row["metrics"].items()}
        for row in rows
        if row["row"] != "before"
    }
    page = Image.new("RGB", (2 * WIDTH, HEIGHT), "white")
    across = ticks([change["usd.mpjpe"] for change in changes.values()], 5)
    for i, (split, step) in enumerate((("ind", 5), ("real", 10))):
        points = [(name, change["usd.mpjpe"], change[f"{split}.mpjpe"]) for name, change in changes.items()]
        up = ticks([y for _, _, y in points], step)
        page.paste(panel(f"{split}, % (below is better)", points, across, up), (i * WIDTH, 0))
    page.save(Path(__file__).with_suffix(".webp"), quality=88, method=6)


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
