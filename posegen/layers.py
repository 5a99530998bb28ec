"""Values of a run with where each came from: layers of ``key -> value``, the later ones over the earlier ones.

A key is a path such as ``("feedback", "w1")`` or ``("estimator", "lr")``. Torch and pydantic are not needed here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posegen.errors import UsageError

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value came from: ``default``, ``recipe quick``, a file, ``--set``, ``--estimator``; line of a file."""

    layer: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.layer}, line {self.line}" if self.line else self.layer


@dataclass(frozen=True, slots=True)
class Given:
    """A value and its source."""

    value: Any
    source: Source


Layer = dict[Key, Given]


def from_file(path: Path, label: str, components: Iterable[str]) -> Layer:
    """The values of a TOML file. ``components``: sections that choose a component; there, ``renderer = "mesh"`` is
    short for ``[renderer]`` with ``name = "mesh"``.

    Raises UsageError for a file that cannot be read or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", "give a recipe's name or a readable file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}", "posegen recipes show quick  is a valid file") from error
    lines = _lines(text)
    found = ((key, Given(value, Source(label, _line(lines, key)))) for key, value in flat(data))
    return {named(key, components): given for key, given in found}


def from_assignments(
    assignments: Iterable[str], components: Iterable[str], option: str = "--set", example: str = "feedback.w2=0.2"
) -> Layer:
    """The values of ``--set a.b=c``. c is read as a TOML value, and as plain text where it is none.

    option, example: what they were given by. Raises UsageError for an assignment without key or ``=``, and for an empty
    table.
    """
    layer = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        key = tuple(part.strip() for part in name.split("."))
        if not equals or not all(key):
            raise UsageError(f"{option} {assignment} is not an assignment", f"like {option} {example}")
        value = _parse(text.strip())
        if isinstance(value, dict) and _hollow(value):
            hint = "only in a file may a row be empty: give it a value, if only that of its base"
            raise UsageError(f"{option} {assignment} says nothing, as a table in it is empty", hint)
        nested = flat(value, key) if isinstance(value, dict) else [(key, value)]
        layer.update({named(k, components): Given(v, Source(option)) for k, v in nested})
    return layer


def from_options(options: Mapping[str, tuple[str, Any]], components: Iterable[str]) -> Layer:
    """The values of named command-line options: ``{"--seed": ("seed", 3)}``; None is an option that was not given."""
    return {
        named(tuple(name.split(".")), components): Given(value, Source(option))
        for option, (name, value) in options.items()
        if value is not None
    }


def merge(layers: Iterable[Layer], components: Iterable[str]) -> Layer:
    """The later layers over the earlier ones.

    Where a layer chooses another component, the options that earlier layers gave to the former one are dropped.
    """
    merged: Layer = {}
    for layer in layers:
        for component in components:
            name = (component, "name")
            if name in layer and name in merged and layer[name].value != merged[name].value:
                merged = {key: given for key, given in merged.items() if key[0] != component}
        merged |= layer
    return merged


def nest(layer: Layer) -> dict[str, Any]:
    """``{("a", "b"): 1}`` -> ``{"a": {"b": 1}}``. Raises UsageError where a key is both a value and a section."""
    tree: dict[str, Any] = {}
    for key, given in layer.items():
        table = tree
        for depth, part in enumerate(key[:-1], 1):
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise _both(layer, key[:depth], key)
        if isinstance(table.get(key[-1]), dict):
            raise _both(layer, key, next(other for other in layer if other[: len(key)] == key != other))
        table[key[-1]] = given.value
    return tree


def shown(value: Any) -> str:
    """A value as a user writes it."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, str | list | dict) else str(value)


def _both(layer: Layer, key: Key, inner: Key) -> UsageError:
    one, other = (f"{'.'.join(k)} = {shown(layer[k].value)} ({layer[k].source})" for k in (key, inner))
    return UsageError(f"'{'.'.join(key)}' cannot be a value and a section: {one}, {other}", "leave one of them out")


def flat(table: Mapping[str, Any], prefix: Key = ()) -> Iterator[tuple[Key, Any]]:
    """``{"a": {"b": 1}}`` -> ``(("a", "b"), 1)``."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, (*prefix, name))
        else:
            yield (*prefix, name), value


def _hollow(table: Mapping[str, Any]) -> bool:
    """Whether there is an empty table in it, or it is one: in a layer of values that would not be there."""
    return not table or any(isinstance(value, dict) and _hollow(value) for value in table.values())


def named(key: Key, components: Iterable[str]) -> Key:
    """``("renderer",)`` -> ``("renderer", "name")``: a component's name alone is its choice."""
    return (*key, "name") if len(key) == 1 and key[0] in components else key


def _parse(text: str) -> Any:
    if text == "none":
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except tomllib.TOMLDecodeError:
        return text


def _line(lines: dict[Key, int], key: Key) -> int | None:
    return next((lines[key[:depth]] for depth in range(len(key), 0, -1) if key[:depth] in lines), None)


def _lines(text: str) -> dict[Key, int]:
    """Where each key stands. Good for files as people write them; for a stranger one, the line is merely left out."""
    lines: dict[Key, int] = {}
    section: Key = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[([\w.\-\s]+)\]", line):
            section = tuple(part.strip() for part in header[1].split("."))
        elif entry := re.match(r"\s*([\w.\-]+)\s*=", line):
            lines.setdefault((*section, *entry[1].split(".")), number)
    return lines
