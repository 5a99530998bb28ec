"""What is wrong with a command line, in the form of every other error: a sentence and a hint."""

from __future__ import annotations

import re
from typing import Any

from posegen.errors import UsageError, nearest, plain

WORDS = {
    r"Option '(.*)' requires an argument\.": r"\1 needs a value",
    r"Option '(.*)' does not take a value\.": r"\1 takes no value",
    r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)": r"unexpected argument '\1'",
}


def explain(error: Any) -> UsageError:
    """Of click's UsageError: typer may bring its own click, so there is no one class to name."""
    context: Any = getattr(error, "ctx", None)
    advice = f"{context.command_path if context else 'posegen'} --help"
    if hasattr(error, "possibilities"):
        known = [name for parameter in context.command.get_params(context) for name in parameter.opts]
        near = nearest(error.option_name, [name for name in known if name.startswith("--")])
        return UsageError(f"there is no option '{error.option_name}'", near or advice)
    if getattr(error, "param", None) is None:
        message = error.message
        for pattern, words in WORDS.items():
            message = re.sub(pattern, words, message)
        return UsageError(message, advice)
    parameter, option = error.param, error.param.param_type_name == "option"
    value = parameter.metavar or parameter.name.upper()
    name = parameter.opts[-1] if option else value
    if hasattr(error, "param_type"):
        return UsageError(f"{context.command_path} needs {f'{name} {value}' if option else name}", advice)
    return UsageError(f"{name} {_value(error)}{plain(error.message).rstrip('.')}", advice)


def _value(error: Any) -> str:
    """What was given, where the message does not repeat it."""
    cause = getattr(error.__cause__, "errors", None)
    return f"{cause()[0]['input']!r} " if cause else ""
