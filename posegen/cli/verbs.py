"""What all verbs have in common: how they stop, and how little they import."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

from posegen.errors import PosegenError, UsageError, nearest


class Verb(TyperCommand):
    """One verb."""

    def get_help_option(self, ctx: Any) -> Any:
        return _with_default(super().get_help_option(ctx))

    def get_params(self, ctx: Any) -> Any:
        return _without_value(super().get_params(ctx))


class Verbs(TyperGroup):
    """A group of verbs. Ctrl-C ends with a word and exit code 130, whatever click would do with it."""

    def get_help_option(self, ctx: Any) -> Any:
        return _with_default(super().get_help_option(ctx))

    def get_params(self, ctx: Any) -> Any:
        return _without_value(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            hint = nearest(args[0], list(self.commands)) or f"{ctx.command_path} --help"
            raise UsageError(f"{ctx.command_path} has no command '{args[0]}'", hint)
        return super().resolve_command(ctx, args)

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


def _without_value(parameters: Any) -> Any:
    """A flag takes no value, and its help shows none: recent typer would show <bool>."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters
