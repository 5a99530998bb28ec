"""What all verbs have in common: how they stop, and how little they import."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

from posegen.errors import PosegenError


class Verb(TyperCommand):
    """One verb."""

    def get_help_option(self, ctx: Any) -> Any:
        return _with_default(super().get_help_option(ctx))


class Verbs(TyperGroup):
    """A group of verbs. Ctrl-C ends with a word and exit code 130, whatever click would do with it."""

    def get_help_option(self, ctx: Any) -> Any:
        return _with_default(super().get_help_option(ctx))

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            raise PosegenError("interrupted", exit_code=130) from stop


def _with_default(option: Any) -> Any:
    """An absent --help is False. As None, recent typer would import pydantic to convert it, for each verb."""
    if option is not None:
        option.default = False
    return option
