"""What every component must hold to, whatever its kind."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import get_args

import pydantic
import torch

from posegen import Options
from posegen.assemble import PROTOCOLS
from posegen.discovery import Plugin, discover
from posegen.testing.expect import require
from posegen.testing.kit import Case

HEAVY = ("torch", "numpy", "pydantic")


def _target(case: Case) -> str:
    return f"{case.component.__module__}:{case.component.__qualname__}"


def _rows(case: Case) -> list[Plugin]:
    """Where installed plugins declare this class."""
    named = (case.kind, _target(case))
    return [row for row in discover() if row.component and (row.kind, row.component.target) == named]


def is_declared(case: Case) -> None:
    """An installed distribution declares this class, with a summary and a licence."""
    rows = _rows(case)
    require(
        bool(rows),
        f"no installed plugin declares a {case.kind} with target '{_target(case)}': yield posegen.Component from a "
        "posegen_components hook, name that module under [project.entry-points.posegen], and pip install it",
    )
    require(rows[0].status in ("ok", "ambiguous"), f"its plugin is {rows[0].status}: {rows[0].cause}")
    declared = rows[0].component
    require(bool(declared and declared.summary and declared.licence), "the Component must have a summary and a licence")


def import_is_light(case: Case) -> None:
    """Importing the module that its entry point names, as every command does, imports nothing heavy."""
    top = next((row.module for row in _rows(case)), case.component.__module__.partition(".")[0])
    code = f"import sys, {top}; print(*sorted(set({HEAVY}) & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    require(done.returncode == 0, f"'import {top}' must work in a new interpreter:\n{done.stderr}")
    loaded = done.stdout.split()
    require(not loaded, f"'import {top}' must not import {', '.join(loaded)}: import them in the module of the target")


def options_are_typed(case: Case) -> None:
    """``Options`` is a posegen.Options that can be made, written as JSON, read back, and refuses unknown keys; run.toml
    can hold it beside the component's name."""
    options_class = getattr(case.component, "Options", None)
    require(
        isinstance(options_class, type) and issubclass(options_class, Options),
        "the class must hold a nested class Options(posegen.Options)",
    )
    options = case.component.Options.model_validate(case.values)
    again = case.component.Options.model_validate_json(options.model_dump_json())
    require(options == again, f"options must survive JSON: {options} became {again}")
    try:
        case.component.Options.model_validate({**case.values, "no_such_option": 1})
    except pydantic.ValidationError:
        pass
    else:
        require(False, "Options must refuse unknown keys: do not override model_config")
    for name, field in case.component.Options.model_fields.items():
        require(bool(field.description), f"option '{name}' needs a docstring under it: it is the option's help text")
        may_be_none = type(None) in get_args(field.annotation)
        require(
            not may_be_none or field.get_default(call_default_factory=True) is None,
            f"option '{name}' may be None, so None must be its default: TOML has no None, and run.toml leaves it out",
        )
    taken = "name" in case.component.Options.model_fields
    require(not taken, "an option cannot be 'name': that says which component it is")


def has_the_members(case: Case) -> None:
    """``Class(options, device=device)`` gives an instance with every member of the protocol."""
    protocol = PROTOCOLS[case.kind]
    members = [*vars(protocol), *protocol.__annotations__]
    missing = [name for name in members if not name.startswith("_") and not hasattr(case.part, name)]
    require(not missing, f"{protocol.__name__} also has {', '.join(missing)}: see posegen/protocols.py")


def leaves_torch_alone(case: Case) -> None:
    """Building it changes no global setting of torch."""

    def settings() -> tuple[object, ...]:
        return torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_device()

    before = settings()
    case.build()
    require(settings() == before, f"building it must not change torch's settings: {before} became {settings()}")


CHECKS = (is_declared, import_is_light, options_are_typed, has_the_members, leaves_torch_alone)
