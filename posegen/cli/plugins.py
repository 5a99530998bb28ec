"""``posegen plugins``: what is installed, what is broken and why, what else exists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from posegen import describe
from posegen.cli.verbs import Verb, Verbs
from posegen.errors import PluginError, UsageError, nearest
from posegen.hookspecs import KINDS

if TYPE_CHECKING:
    from posegen.discovery import Plugin

app = typer.Typer(cls=Verbs, no_args_is_help=True, help="Components: renderers, estimators, priors, ...")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list", cls=Verb)
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Also known components that are not installed.")] = False,
    json: Json = False,
) -> None:
    """List components; a plugin that cannot be used is one row with its cause."""
    from posegen.cli import screen

    rows = _rows(everything)
    if json:
        screen.data(rows)
        return
    screen.table(
        ("kind", "name", "from", "status", ""),
        [
            (
                row["kind"] or "?",
                row["name"] + (" *" if row["default"] else ""),
                f"{row['distribution']} {row['version']}".strip(),
                row["status"],
                row["cause"] or row["summary"],
            )
            for row in rows
        ],
    )
    if any(row["default"] for row in rows):
        screen.out().print("* used where nothing else is chosen", style="dim")


@app.command(cls=Verb)
def info(
    name: Annotated[str, typer.Argument(help="A component, or distribution:component.")],
    kind: Annotated[str | None, typer.Option("--kind", help="One of: " + ", ".join(KINDS) + ".")] = None,
    json: Json = False,
) -> None:
    """Show a component with its options."""
    from posegen.cli import screen

    if kind and kind not in KINDS:
        raise UsageError(f"there is no kind '{kind}'", f"{nearest(kind, KINDS)} kinds: {', '.join(KINDS)}".strip())
    found = [_details(kind, name) for kind in ([kind] if kind else _kinds_of(name))]
    if json:
        screen.data(found)
        return
    for details in found:
        options = details.pop("options")
        screen.table(("", ""), [(key, _text(value)) for key, value in details.items() if value], header=False)
        if not options:
            screen.out().print("no options")
            continue
        columns = ("option", "type", "default", "")
        screen.table(columns, [(o["name"], o["type"], _shown(o), o["help"]) for o in options])


def _rows(everything: bool) -> list[dict[str, Any]]:
    from posegen import assets
    from posegen.discovery import discover
    from posegen.registry import how_to_install, registry

    known, registered = registry(), assets.registered()
    rows = []
    for plugin in discover():
        needed = plugin.component.assets if plugin.component and plugin.kind else ()
        missing = [name for name in needed if name not in registered]
        cause = plugin.cause or (f"first: posegen assets set {missing[0]} PATH" if missing else "")
        rows.append(_row(plugin, cause, known.defaults.get(plugin.kind) == plugin.name))
    if everything:
        installed = {(row["kind"], row["name"]) for row in rows}
        rows += [
            {
                "kind": component.kind,
                "name": component.name,
                "distribution": component.distribution,
                "version": "",
                "status": "not installed",
                "cause": how_to_install(component.distribution),
                "summary": component.paper,
                "licence": "",
                "assets": list(component.assets),
                "default": False,
            }
            for component in known.components
            if (component.kind, component.name) not in installed
        ]
    return rows


def _row(plugin: Plugin, cause: str, default: bool) -> dict[str, Any]:
    component = plugin.component if plugin.kind else None
    return {
        "kind": plugin.kind,
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "status": plugin.status,
        "cause": cause,
        "summary": component.summary if component else "",
        "licence": component.licence if component else "",
        "assets": list(component.assets) if component else [],
        "default": default,
    }


def _kinds_of(name: str) -> list[str]:
    """The kinds in which something has this name; raises PluginError with what is near."""
    from posegen.discovery import discover
    from posegen.registry import registry

    bare = name.rpartition(":")[2]
    things = [(row.kind, row.name) for row in discover()] + [(c.kind, c.name) for c in registry().components]
    kinds = {kind for kind, name in things if name == bare}
    found = [kind for kind in KINDS if kind in kinds]
    if not found and "" in kinds:  # broken before it could tell its kind
        row = next(row for row in discover() if row.name == bare)
        raise PluginError(
            f"plugin {row.distribution} {row.version} is {row.status}: {row.cause}", f"python -c 'import {row.module}'"
        )
    if not found:
        close = nearest(bare, [name for _, name in things])
        raise PluginError(f"there is no component '{name}'", f"{close} posegen plugins list --all".strip())
    return found


def _details(kind: str, name: str) -> dict[str, Any]:
    from posegen import assemble, plugins
    from posegen.registry import registry

    plugin = plugins.select(kind, name)
    known = registry().component(kind, plugin.name)
    schema = assemble.options_class(kind, name).model_json_schema()
    options = [
        {
            "name": option.name,
            "type": option.type.replace("`", ""),
            "default": schema["properties"][option.name].get("default"),
            "required": option.name in schema.get("required", ()),
            "help": option.text.replace("`", ""),
        }
        for option in describe.settings(schema)
    ]
    return _row(plugin, plugin.cause, registry().defaults.get(kind) == plugin.name) | {
        "paper": known.paper if known else "",
        "target": plugin.component.target if plugin.component else "",
        "options": options,
    }


def _shown(option: dict[str, Any]) -> str:
    return "needed" if option["required"] else describe.default(option["default"]).replace("`", "")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)
