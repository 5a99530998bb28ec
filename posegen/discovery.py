"""Which components are installed, from which distribution, and which of them cannot be used and why.

Discovery imports the light module of every entry point in the group ``posegen``, and nothing that is heavy: no torch,
no pydantic. Whatever a plugin does wrong becomes the cause in its own row.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

import pluggy

from posegen import hookspecs
from posegen.hookspecs import API_VERSION, KINDS, Component

GROUP = "posegen"


@dataclass(frozen=True, slots=True)
class Plugin:
    """One row of the listing: a component, or an entry point that could not say what it has.

    kind: one of KINDS, "" where it is unknown.  component: None where there is none to load.  cause: one line, "" if
    the component can be used as it is.
    """

    kind: str
    name: str
    distribution: str
    version: str
    module: str
    status: str  # ok, ambiguous (its name needs a distribution), incompatible (another api version), broken
    cause: str = ""
    component: Component | None = None


@functools.cache
def discover() -> tuple[Plugin, ...]:
    """Every component of every installed plugin, broken ones included. Never raises."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    try:
        entries = sorted(entry_points(group=GROUP))
    except Exception as error:  # some distribution's metadata cannot be parsed; the standard library reads all or none
        return (Plugin("", "entry points", "?", "?", "?", "broken", f"cannot be read: {one_line(error)}"),)
    rows = [row for entry in entries for row in _rows(manager, entry)]
    return tuple(sorted(_mark_clashes(rows), key=_order))


def one_line(error: BaseException) -> str:
    """``"ImportError: no module named 'x'"``, however long the message is."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def normal(distribution: str) -> str:
    """One spelling of a distribution's name."""
    return distribution.lower().replace("_", "-").replace(".", "-")


def _rows(manager: pluggy.PluginManager, entry: EntryPoint) -> Iterator[Plugin]:
    distribution, version = _origin(entry)

    def row(status: str, cause: str, kind: str = "", name: str = entry.name, component: Any = None) -> Plugin:
        module = entry.value.partition(":")[0]
        return Plugin(kind, name, distribution, version, module, status, cause, component)

    try:
        module = entry.load()
        manager.register(module, f"{distribution}:{entry.name}")
        calls = [c for c in manager.hook.posegen_components.get_hookimpls() if c.plugin is module]
        declared = [component for call in calls for component in cast(Iterable[object], call.function())]
    except (Exception, SystemExit) as error:  # a plugin may fail in any way, and must not take the others with it
        yield row("broken", one_line(error))
        return
    if not declared:
        yield row(
            "broken", f"{entry.value} declares no component (is posegen_components marked with posegen.hookimpl?)"
        )
    for component in declared:
        if isinstance(component, Component) and component.api != API_VERSION:
            cause = f"written for api {component.api}, this posegen has api {API_VERSION}"
            yield row("incompatible", cause, str(component.kind), str(component.name), component)
        elif problem := _problem(component):
            yield row("broken", problem)
        elif isinstance(component, Component):
            yield row("ok", "", component.kind, component.name, component)


def _problem(component: object) -> str:
    if not isinstance(component, Component):
        return f"posegen_components yields {type(component).__name__}, not posegen.Component"
    texts = [component.kind, component.name, component.target, component.summary, component.licence]
    if not isinstance(component.assets, tuple) or not all(isinstance(t, str) for t in [*texts, *component.assets]):
        return f"a field that should be text is not: {component}"
    if component.kind not in KINDS:
        return f"{component.name}: unknown kind '{component.kind}', not one of {', '.join(KINDS)}"
    if not (component.name and all(component.target.partition(":"))):
        return f"needs a name and a target 'module:Class', has '{component.name}' and '{component.target}'"
    return ""


def _origin(entry: EntryPoint) -> tuple[str, str]:
    try:
        assert entry.dist is not None  # entry_points() sets it
        return normal(entry.dist.name), entry.dist.version
    except Exception:  # metadata without Name or Version is None, an error, or a warning, depending on Python
        return entry.name, "?"


def _mark_clashes(rows: list[Plugin]) -> Iterator[Plugin]:
    seen = set()
    for row in rows:
        same = [r.distribution for r in rows if (r.kind, r.name, r.status) == (row.kind, row.name, "ok")]
        others = set(same) - {row.distribution}
        if row.status == "ok" and (row.kind, row.name, row.distribution) in seen:
            yield replace(
                row, kind="", status="broken", cause=f"declares {row.kind} '{row.name}' twice", component=None
            )
        elif row.status == "ok" and others:
            cause = f"also in {', '.join(sorted(others))}: select {row.distribution}:{row.name}"
            yield replace(row, status="ambiguous", cause=cause)
        else:
            yield row
        seen.add((row.kind, row.name, row.distribution))


def _order(row: Plugin) -> tuple[int, str, str]:
    return KINDS.index(row.kind) if row.kind in KINDS else len(KINDS), row.name, row.distribution
