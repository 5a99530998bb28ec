"""The base class of every options class, in the core and in plugins."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator


def absolute(path: str | Path) -> Path:
    """The same file for a later command in another folder, such as one with ``--resume``."""
    return Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - an unknown ~user is no error yet


class Options(BaseModel):
    """Typed, frozen, without unknown keys, and with absolute paths. Field descriptions become help text and
    documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @field_validator("*")
    @classmethod
    def _absolute(cls, value: Any) -> Any:
        return absolute(value) if isinstance(value, Path) else value
