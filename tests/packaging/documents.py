"""What the documents say, for tests that hold them to it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))
FENCE = re.compile(r"^```(\w*)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def text(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def blocks(document: Path, language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return [code for found, _, code in FENCE.findall(text(document)) if found == language]


def files(document: Path) -> dict[str, str]:
    """The fenced blocks that have a file's name as their title: ``{"pyproject.toml": "..."}``."""
    return {title: code for _, title, code in FENCE.findall(text(document)) if title}


def command(document: Path, name: str) -> str:
    """The fenced block under ``<!-- command: NAME -->``, as .ci/run takes it."""
    (found,) = re.findall(rf"^<!-- command: {name} -->\n```sh\n(.*?)^```$", text(document), re.MULTILINE | re.DOTALL)
    return str(found)
