"""The errors that a user can meet: one clear sentence, and a hint that repairs it."""

from __future__ import annotations

import re

PLAIN = {
    r"(Input should be|is not) a valid integer.*": "is not a whole number",
    r"(Input should be|is not) a valid (number|float).*": "is not a number",
    r"Input should be a valid boolean.*": "is neither true nor false",
    r"Input should be a valid (list|tuple).*": "is not a list",
    r"Input should be a valid string": "is not text",
    r"Input should be a valid dictionary.*": "is not a section",
    r"Input is not a valid path.*": "is not a path",
    r"Input should be a finite number": "is not a finite number",
    r"Field required": "has too few items",
    r"^\w+ should have (.*?) after validation, not (.*)": r"should have \1, not \2",
    r"^(Input|Value) ": "",
}


class PosegenError(Exception):
    """A failure with its cause (``message``) and its repair (``hint``).

    The command line prints both, without a traceback unless ``--debug`` is given, and exits with ``exit_code``:
    1 the run failed, 2 wrong usage, 3 an asset is missing or unreadable, 4 a plugin is missing or broken.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "", exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class UsageError(PosegenError):
    """An option, key or value that cannot be used."""

    exit_code = 2


class AssetError(PosegenError):
    """A file that is missing, truncated, corrupted or of the wrong kind."""

    exit_code = 3


class PluginError(PosegenError):
    """A plugin that is not installed, broken, ambiguous or written for another api version."""

    exit_code = 4


def nearest(word: str, known: list[str] | tuple[str, ...]) -> str:
    """``"did you mean 'x'?"`` for the closest known word, or else one that it is a part of, or ``""``."""
    import difflib

    # half of a short name may be what tells it from the others, as in s0 .. s7
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6 if len(word) > 3 else 0.5)
    close = close or sorted((name for name in known if len(word) > 3 and word in name), key=len)
    return f"did you mean '{close[0]}'?" if close else ""


def plain(complaint: str) -> str:
    """What pydantic or the command line's parser says of a value, without a programmer's words."""
    for pattern, words in PLAIN.items():
        complaint = re.sub(pattern, words, complaint)
    return complaint
