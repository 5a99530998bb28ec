"""Writes the page of all settings from their docstrings: ``python docs/settings.py > docs/settings.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from posegen import describe
from posegen.assemble import make, options_class
from posegen.config import COMPONENTS
from posegen.datasets.rendered_views import Plan
from posegen.nn.smpl import PUBLISHED_LR, PUBLISHED_PACE
from posegen.pace import Pace
from posegen.plugins import load
from posegen.pretrain.settings import Pretraining
from posegen.registry import KnownComponent, registry
from posegen.settings import FinetuneSettings, Selection, Settings

HEAD = """# Settings

Written by `python docs/settings.py > docs/settings.md`; a test compares. How they are set:
[configuration](configuration.md). Defaults are those of the code; `posegen run` starts from the recipe `quick`
(`posegen recipes show quick`), and `posegen run --dry-run` shows what holds and why. Where `finetune` and `retain` have
none, the [estimator chooses](#what-estimators-choose), but for a folder and a dataset."""
PACES = """Where `finetune` and `retain` say nothing: with the weights that are shipped, with published ones of SPIN,
HybrIK and CLIFF, and for other estimators: their `lr`, and the rest unless they have a `pace`. `result.json` has what
a run did."""
PLUGINS = Path(__file__).parents[1] / "plugins"


def markdown() -> str:
    """The whole page: a table for each section of a recipe, and one for each in-tree component that has options."""
    schema = Settings.model_json_schema()
    sections = {
        name: schema["$defs"][field["$ref"].rpartition("/")[2]]
        for name, field in schema["properties"].items()
        if "$ref" in field and name not in COMPONENTS
    }
    top = {name: field for name, field in schema["properties"].items() if name not in sections}
    lines = [HEAD, *_table("A run", {"properties": {k: v for k, v in top.items() if k not in COMPONENTS}})]
    lines += ["", "## Components", "", f"`{'`, `'.join(COMPONENTS)}` choose one component each, by its name."]
    for component in _in_tree():
        options = options_class(component.kind, component.name).model_json_schema()
        if component.kind in COMPONENTS and options["properties"]:
            title = f"{component.kind} `{component.name}`"
            lines += _table(title, options, prefix=f"{component.kind}.", level="###")
    for name, section in sections.items():
        lines += _table(name, section, prefix=f"{name}.")
    lines += _paces()
    return "\n".join([*lines, *_pretraining(), *_fitting()]) + "\n"


def _paces() -> Iterator[str]:
    """What counts where ``finetune`` and ``retain`` say nothing: of the shipped weights, and of published ones."""
    paces: dict[str, dict[str, Any]] = {}
    for component in _in_tree():
        if component.kind == "estimator":
            estimator = make("estimator", Selection(name=component.name), torch.device("cpu"))
            paces[component.name] = {"lr": estimator.lr, **getattr(estimator, "pace", Pace())._asdict()}
    paces["published weights"] = {"lr": PUBLISHED_LR, **PUBLISHED_PACE._asdict()}
    paces["others"] = {"lr": "lr", **Pace()._asdict()}
    yield from ("", "## What estimators choose", "", PACES, "")
    yield from (f"| setting | {' | '.join(paces)} |", f"|---|{'---|' * len(paces)}")
    for name in ("lr", *Pace._fields):
        section = "finetune" if name in FinetuneSettings.model_fields else "retain"
        yield f"| `{section}.{name}` | {' | '.join(describe.default(pace[name]) for pace in paces.values())} |"


def _pretraining() -> Iterator[str]:
    """What ``posegen pretrain --set`` takes, but for the components' options."""
    schema = Pretraining.model_json_schema()
    own = {name: field for name, field in schema["properties"].items() if "$ref" not in field}
    yield from _table("posegen pretrain", {"properties": own})
    for name, field in schema["properties"].items():
        if "$ref" in field and name not in COMPONENTS:
            yield from _table(f"`{name}`", schema["$defs"][field["$ref"].rpartition("/")[2]], f"{name}.", "###")


def _fitting() -> Iterator[str]:
    """What ``posegen fit --set`` takes."""
    for component in _in_tree():
        if component.kind == "renderer" and hasattr(found := load("renderer", component.name), "FitOptions"):
            yield from _table(f"posegen fit {component.name}", found.FitOptions.model_json_schema())
    yield from _table("Views of a subject of the starter", Plan.model_json_schema(), "views.", "###")


def _in_tree() -> list[KnownComponent]:
    """A third party's plugins do not belong on this page, installed or not."""
    return [component for component in registry().components if (PLUGINS / component.distribution).is_dir()]


def _table(title: str, schema: dict[str, Any], prefix: str = "", level: str = "##") -> Iterator[str]:
    yield from ("", f"{level} {title}", "", "| setting | type | default | |", "|---|---|---|---|")
    for name, kind, default, text in describe.settings(schema):
        yield f"| `{prefix}{name}` | {kind} | {default} | {text} |"


if __name__ == "__main__":
    sys.stdout.write(markdown())
