"""The base class of every options class, in the core and in plugins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticKnownError

from posegen.files import home

SEEDS = 2**63  # that torch takes, and TOML can say
Seed = Annotated[int, Field(ge=0, lt=SEEDS)]


def absolute(path: str | Path) -> Path:
    """The same file for a later command in another folder, such as one with ``--resume``."""
    return home(path).absolute()


def _person(who: str) -> str:
    """A name as it is, a file by its absolute path."""
    return str(absolute(who)) if Path(who).suffix else who


Person = Annotated[str, AfterValidator(_person)]
"""Who is drawn: the name of a subject, or a file of one."""


class Options(BaseModel):
    """Typed, frozen, without unknown keys, with finite numbers and absolute paths. Field descriptions become help text
    and documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """pydantic takes it for 1."""
        if any(isinstance(item, bool) for item in (value if isinstance(value, list | tuple) else [value])):
            types = set(_types(cls.model_fields[info.field_name or ""].annotation))
            if types & {int, float} and bool not in types:
                raise PydanticKnownError("int_type" if int in types else "float_type")
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _absolute(cls, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(absolute(item) if isinstance(item, Path) else item for item in value)
        return absolute(value) if isinstance(value, Path) else value


def _types(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _types(part)
