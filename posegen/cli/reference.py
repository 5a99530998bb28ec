"""docs/cli.md, written from the command line itself: ``python -m posegen.cli.reference > docs/cli.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer

from posegen.cli.main import app


def markdown() -> str:
    """Every verb with its arguments and options."""
    head = [
        "# Command line",
        "",
        "Written by `python -m posegen.cli.reference > docs/cli.md`; a test compares.",
        "",
        "Exit codes: 0 done, 1 the run failed, 2 usage, 3 asset, 4 plugin, 130 interrupted.",
    ]
    return "\n".join([*head, *_command("posegen", typer.main.get_command(app))]) + "\n"


def _command(name: str, command: Any) -> Iterator[str]:
    """Of click's Command: typer may bring its own click, so there is no one class to name."""
    yield from ("", f"## {name}", "", " ".join((command.help or "").split()))
    parameters = [parameter for parameter in command.params if "--help" not in parameter.opts]
    if parameters:
        yield from ("", *map(_parameter, parameters))
    for sub, verb in sorted(getattr(command, "commands", {}).items()):
        yield from _command(f"{name} {sub}", verb)


def _parameter(parameter: Any) -> str:
    argument = parameter.param_type_name == "argument"
    name = (parameter.metavar or parameter.name.upper()) if argument else ", ".join(parameter.opts)
    value = f" {parameter.metavar}" if parameter.metavar and not argument else ""
    shown = parameter.show_default if isinstance(parameter.show_default, str) else _plain(parameter.default)
    notes = [
        "required" if parameter.required else "",
        "repeatable" if getattr(parameter, "multiple", False) else "",
        f"default {shown}" if shown else "",
    ]
    suffix = "; ".join(note for note in notes if note)
    return f"- `{name}{value}`: {parameter.help}" + (f" ({suffix})" if suffix else "")


def _plain(default: Any) -> str:
    """A default that says something: not a switch that is off, nor an option that is not given."""
    unsaid = default is None or default is False or default == () or callable(default)
    return "" if unsaid else str(getattr(default, "value", default))


if __name__ == "__main__":
    sys.stdout.write(markdown())
