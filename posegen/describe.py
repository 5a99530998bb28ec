"""What may be set, in words: name, type, default and meaning of each field of a model. Code is in `backticks`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

BOUNDS = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
LARGE = {2**63: "2^63"}
TYPES = {"integer": "integer", "number": "number", "boolean": "true or false", "null": "none", "object": "table"}


class Described(NamedTuple):
    """One setting."""

    name: str
    type: str
    default: str
    text: str


def settings(schema: dict[str, Any]) -> Iterator[Described]:
    """Of a model's JSON schema, or of a part of it that has ``properties``."""
    for name, field in schema["properties"].items():
        text = " ".join(field.get("description", "").split()).replace("``", "`")
        yield Described(name, _type(field), default(field["default"]) if "default" in field else "needed", text)


def _type(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(choice) for choice in field["anyOf"])
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum") or [field["const"]])
    if field.get("type") == "array":
        return f"list of {_type(field.get('items') or [*field.get('prefixItems', ()), {}][0])}"
    name = field.get("format") or TYPES.get(field.get("type", ""), "text")
    limits = {sign: field[key] for key, sign in BOUNDS.items() if key in field}
    bounds = ", ".join(f"{sign} {LARGE.get(limit) or format(limit, 'g')}" for sign, limit in limits.items())
    return f"{name} {bounds}".strip()


def default(value: Any) -> str:
    """A default as JSON has it, in words."""
    if value is None or value == []:
        return "none"
    if isinstance(value, list):
        return ", ".join(map(default, value))
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
