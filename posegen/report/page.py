"""The report as one HTML file that needs nothing else: tables, maps and pictures are inside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from PIL import Image

from posegen.evaluate import METRICS
from posegen.report.summary import TITLES, told

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 68rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.25rem; margin-top: 2.5rem; border-bottom: 1px solid #ccc }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem }
table { border-collapse: collapse; margin: .5rem 0; display: block; overflow-x: auto }
caption { text-align: left; color: #666; caption-side: bottom }
th, td { padding: .15rem .9rem .15rem 0; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
th:first-child, td:first-child { text-align: left } thead th { border-bottom: 1px solid #888 }
tbody + tbody tr:first-child td { padding-top: .7rem }
.better { color: #1c8c54 } .worse { color: #d04030 } img { max-width: 100%; height: auto } p.note { color: #666 }
.side { display: flex; flex-wrap: wrap; gap: 0 1.5rem; align-items: flex-start }
.side > div { max-width: 100% }
pre { background: #f6f6f6; padding: .8rem; overflow-x: auto }
"""


def page(title: str, sections: Iterable[str]) -> str:
    """A whole document; the sections are HTML already."""
    body = "\n".join(sections)
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}</style></head>\n<body>\n<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def heading(text: str, level: int = 2) -> str:
    return f"<h{level}>{escape(text)}</h{level}>"


def note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def code(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"


def side_by_side(*parts: str) -> str:
    return f'<div class="side">{"".join(f"<div>{part}</div>" for part in parts)}</div>'


def picture(image: Image.Image, words: str) -> str:
    """words: for who cannot see it."""
    file = io.BytesIO()
    image.save(file, "WEBP", quality=85, method=4)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<p><img src="data:image/webp;base64,{data}" alt="{escape(words)}" width="{image.width}"></p>'


def table(head: Sequence[str], groups: Iterable[Iterable[Sequence[str]]], caption: str = "") -> str:
    """Groups of rows, a gap between them; the cells are HTML already."""
    titles = "".join(f"<th>{escape(word)}</th>" for word in head)
    bodies = (
        "<tbody>" + "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows) + "</tbody>"
        for rows in groups
    )
    words = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{words}<thead><tr>{titles}</tr></thead>{''.join(bodies)}</table>"


def figures(first: str, groups: Iterable[Mapping[str, Mapping[str, Any]]], caption: str = "") -> str:
    """A row for each split, or part of one: pictures, every metric, and what MPJPE became; see ``Seen.result``."""
    listed = [list(group.items()) for group in groups]
    if any("change_percent" in row["mpjpe"] for rows in listed for _, row in rows):
        caption = f"{caption}; before → after fine-tuning".lstrip("; ")
    head = [first, "pictures", *(TITLES[metric] for metric in METRICS), "MPJPE [95 %]"]
    return table(head, ([_row(name, row) for name, row in rows] for rows in listed), caption)


def _row(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    interval = _interval(row["mpjpe"], row["images"])
    return (escape(name), str(row["images"]), *(_figure(row[metric]) for metric in METRICS), interval)


def _figure(figure: Mapping[str, Any]) -> str:
    if "before" in figure:
        return f"{figure['before']['mean']:.0f} → {figure['after']['mean']:.0f}"
    return f"{figure['mean']:.0f}"


def _interval(figure: Mapping[str, Any], images: int) -> str:
    if "before" not in figure:
        return f"[{figure['low']:.0f}, {figure['high']:.0f}]" if told(figure, images) else ""
    if (change := figure["change_percent"]) is None:
        return "-"
    if not told(change, images):
        return f"{change['mean']:+.1f} %"
    side = "better" if change["high"] < 0 else "worse" if change["low"] > 0 else ""
    return f'<span class="{side}">{change["mean"]:+.1f} % [{change["low"]:+.0f}, {change["high"]:+.0f}]</span>'
