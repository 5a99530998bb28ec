"""From a kind and a name to the class of one component: the right row of what is installed, or what to do instead."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from posegen.discovery import Plugin, discover, normal, one_line
from posegen.errors import PluginError, nearest
from posegen.registry import how_to_install, registry

USABLE = ("ok", "ambiguous")


def select(kind: str, name: str) -> Plugin:
    """The one usable row for ``name`` or ``distribution:name``.

    Raises PluginError: not installed, broken, incompatible, or offered by two distributions.
    """
    wanted, _, bare = name.rpartition(":")
    there = [row for row in discover() if not wanted or row.distribution == normal(wanted)]
    named = [row for row in there if (row.kind, row.name) == (kind, bare)]
    rows = [row for row in named if row.status in USABLE] or named
    if len({row.distribution for row in rows}) > 1:
        choices = " or ".join(f"{row.distribution}:{bare}" for row in rows)
        raise PluginError(
            f"{kind} '{bare}' comes from two distributions: {' and '.join(r.distribution for r in rows)}",
            f"choose one by name: {choices}",
        )
    row = rows[0] if rows else _broken_row(kind, bare, there)
    if row is None:
        raise _missing(kind, bare, wanted)
    if row.status not in USABLE:
        raise PluginError(
            f"{kind} '{bare}' cannot be used, its plugin {row.distribution} {row.version} is {row.status}: {row.cause}",
            f"pip install --upgrade {row.distribution}; the whole error: python -c 'import {row.module}'",
        )
    return row


def load(kind: str, name: str) -> type[Any]:
    """The class of a component: its target is imported now. Raises PluginError as ``select`` does, or if that fails."""
    row = select(kind, name)
    assert row.component is not None  # select returns usable rows only
    module, _, attribute = row.component.target.partition(":")
    try:
        target = getattr(import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a third party's module may fail in any way; --debug shows the chain
        raise PluginError(
            f"{kind} '{row.name}' of {row.distribution} {row.version} fails to import {row.component.target}: "
            f"{one_line(error)}",
            f"reinstall it: pip install --force-reinstall {row.distribution}",
        ) from error
    if not isinstance(target, type):
        raise PluginError(f"{row.component.target} of {row.distribution} is not a class", "tell the plugin's author")
    return target


def _broken_row(kind: str, name: str, rows: list[Plugin]) -> Plugin | None:
    """The row that would have told this component, had its plugin been whole: by entry point, or by the registry."""
    known = registry().component(kind, name)
    for row in rows:
        if not row.kind and (row.name == name or (known and row.distribution == known.distribution)):
            return row
    return None


def _missing(kind: str, name: str, distribution: str) -> PluginError:
    known = registry().component(kind, name)
    if known and distribution in ("", known.distribution):
        return PluginError(f"{kind} '{name}' is not installed", how_to_install(known.distribution))
    installed = [row.name for row in discover() if row.kind == kind and row.status in USABLE]
    origin = f" in {distribution}" if distribution else ""
    close = nearest(name, [*installed, *(c.name for c in registry().components if c.kind == kind)])
    names = f"installed: {', '.join(sorted(set(installed))) or 'none'} (posegen plugins list --all)"
    return PluginError(f"there is no {kind} '{name}'{origin}", f"{close} {names}".strip())
