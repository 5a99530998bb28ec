"""The table of docs/protocols.md, written from the protocols themselves: ``python -m posegen.scoring.documents``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from posegen.scoring.protocols import OPEN, PROTOCOLS

MARK = "<!-- protocols -->"
_TABLE = re.compile(re.escape(MARK) + r"\n(?:\n?\|.*)*\n")


def filled(text: str) -> str:
    """The page with its table made anew."""
    return _TABLE.sub(lambda _: f"{MARK}\n\n" + "\n".join(_rows()) + "\n", text, count=1)


def _rows() -> Iterator[str]:
    yield from ("| protocol | definition |", "|---|---|")
    limbs = [name for name in PROTOCOLS if name.endswith("/limbs")]
    for name, protocol in PROTOCOLS.items():
        if name not in limbs:
            yield f"| `{name}` | {protocol.definition} |"
    yield f"| {', '.join(f'`{name}`' for name in limbs)} | {PROTOCOLS[limbs[0]].definition} |"
    for name, definition in OPEN.items():
        yield f"| `{name}` | {definition} |"


if __name__ == "__main__":
    page = Path(__file__).parents[2] / "docs" / "protocols.md"
    page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
