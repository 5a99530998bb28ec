"""Recipes and command-line values -> ``Settings``, with the source of each value; and back to TOML.

Layers, the later ones over the earlier ones: the defaults of ``settings.py``, recipes in the order they were given,
command-line options, ``--set``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from posegen import layers, recipes
from posegen.errors import UsageError, nearest, plain
from posegen.layers import Key, Layer, Source, shown
from posegen.settings import Selection, Settings

COMPONENTS = tuple(name for name, field in Settings.model_fields.items() if field.annotation is Selection)
DEFAULT = Source("default")
EVERY_KEY = "posegen run --dry-run  shows every key and value"
IN_THE_DOCS = "docs/settings.md  has every key and value"
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings, and where the values came from that are not defaults. ``name``: of the last recipe, for run folders."""

    settings: Settings
    given: Layer = field(default_factory=dict)
    name: str = "defaults"

    def source(self, *key: str) -> Source:
        """Where the value of a key came from."""
        return self.given[key].source if key in self.given else DEFAULT


def load(
    recipe: Iterable[str] = (),
    options: Mapping[str, tuple[str, Any]] | None = None,
    assignments: Iterable[str] = (),
    sections: Iterable[Layer] = (),
) -> Configuration:
    """Read and check the settings of a run.

    recipe: names of built-in recipes or TOML files.  options: command-line options as ``layers.from_options`` takes
    them.  assignments: of ``--set``.  sections: layers between the recipes and these.
    Raises UsageError naming key, value, source and the nearest thing that exists.
    """
    paths = [recipes.find(name) for name in recipe]
    labels = [f"recipe {path.stem}" if path.parent == recipes.FOLDER else str(path) for path in paths]
    stack = [layers.from_file(path, label, COMPONENTS) for path, label in zip(paths, labels, strict=True)]
    stack += sections
    stack.append(layers.from_options(options or {}, COMPONENTS))
    stack.append(layers.from_assignments(assignments, COMPONENTS))
    settings, given = checked(Settings, stack, COMPONENTS)
    return Configuration(settings, given, paths[-1].stem if paths else "defaults")


def checked(model: type[M], stack: Iterable[Layer], components: Iterable[str]) -> tuple[M, Layer]:
    """Layers over the defaults of ``model`` -> an instance, and where its values came from.

    components: the fields of ``model`` that are a Selection. Raises UsageError as ``load`` does.
    """
    defaults: Layer = {(c, "name"): layers.Given(model.model_fields[c].default.name, DEFAULT) for c in components}
    given = layers.merge([defaults, *stack], components)
    try:
        return model.model_validate(_split_options(layers.nest(given), components)), given
    except ValidationError as error:
        raise explain(error, model, given, where=EVERY_KEY if model is Settings else IN_THE_DOCS) from error


def to_toml(settings: Settings) -> str:
    """A recipe that reproduces exactly these settings. A None, which TOML cannot say, is left to the default.

    Raises UsageError for the path of a file whose name is not UTF-8, which TOML cannot say either.
    """
    import tomli_w

    text = tomli_w.dumps(_without_none(to_table(settings)))
    for line in text.splitlines():
        if line != line.encode(errors="replace").decode():
            raise UsageError(f"a setting is not UTF-8: {line}", "rename that file or folder")
    return text


def difference(text: str, settings: Settings) -> str:
    """Where what ``to_toml`` wrote first differs from these settings, in words."""
    try:
        there = dict(layers.flat(tomllib.loads(text)))
    except tomllib.TOMLDecodeError:
        return "its file is damaged"
    here = dict(layers.flat(_without_none(to_table(settings))))
    for key in (*here, *there):
        if here.get(key) != there.get(key):
            old, new = (shown(of[key]) if key in of else "no value" for of in (there, here))
            return f"{'.'.join(key)} is {old} there, and {new} here"
    return "its file has the same values in another form"


def to_table(settings: Settings) -> dict[str, Any]:
    """The settings as a recipe has them: a component's options beside its name."""
    table = settings.model_dump(mode="json")
    for component in COMPONENTS:
        table[component] = {"name": table[component]["name"], **table[component]["options"]}
    return table


def explain(
    error: ValidationError, model: type[BaseModel], given: Layer, prefix: Key = (), where: str = EVERY_KEY
) -> UsageError:
    """The first complaint of pydantic about ``model``, whose keys start with ``prefix``, in a user's words.

    where: what shows the keys and values that there are.
    """
    first = error.errors()[0]
    value, kind = first["input"], first["type"]
    loc = tuple(str(part) for part in takewhile(lambda part: isinstance(part, str), first["loc"]))
    key = (*prefix, *loc)
    leaf = next((key[:n] for n in range(len(key), 0, -1) if key[:n] in given), None)
    if leaf:
        key, source = leaf, given[leaf].source
    else:  # a whole section is unknown: its first key tells where it stands
        source = next((g.source for k, g in given.items() if k[: len(key)] == key), DEFAULT)
    name = ".".join(key)
    if kind == "extra_forbidden":
        known = _fields(model, loc[:-1])
        keys = f"{'.'.join(key[:-1]) or 'settings'}: {', '.join(known) or 'no options'}"
        return UsageError(f"unknown key '{name}' ({source})", f"{nearest(loc[-1], known)} {keys}".strip())
    if kind.startswith("model_"):
        return UsageError(f"'{name}' is a section, not the value {shown(value)} ({source})", f"set {name}.KEY")
    if isinstance(value, dict):
        if kind == "missing":
            return UsageError(f"'{name}' needs a value", f"--set {name}=VALUE")
        return UsageError(f"unknown key '{name}.{next(iter(value), '')}' ({source})", f"{name} is itself a value")
    known = re.findall(r"'([^']*)'", first["ctx"]["expected"]) if kind == "literal_error" else []
    wish = f"is not one of {', '.join(known)}" if known else plain(first["msg"])
    example = f"like {name} = {known[0]!r}" if known else where
    if kind == "tuple_type" and isinstance(value, str):
        example = f"like {name} = [{value!r}]"
    item = next((f"item {part + 1} of " for part in first["loc"] if isinstance(part, int) and kind != "missing"), "")
    return UsageError(f"{item}{name} = {shown(value)} ({source}) {wish}", nearest(str(value), known) or example)


def _split_options(tree: dict[str, Any], components: Iterable[str]) -> dict[str, Any]:
    """``{"renderer": {"name": "mesh", "subject": "s0"}}`` -> ``{"renderer": {"name": "mesh", "options": {...}}}``."""
    out = dict(tree)
    for component in components:
        if isinstance(table := tree.get(component), dict):
            options = {name: value for name, value in table.items() if name != "name"}
            out[component] = {"name": table["name"], "options": options}
    return out


def _fields(model: type[BaseModel], loc: tuple[str, ...]) -> list[str]:
    """The keys that exist at a place inside a model."""
    for part in loc:
        annotation = model.model_fields[part].annotation
        models = [m for m in (annotation, *get_args(annotation)) if isinstance(m, type) and issubclass(m, BaseModel)]
        if not models:
            return []
        model = models[0]
    return list(model.model_fields)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value
