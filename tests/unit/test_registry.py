"""registry.toml agrees with what the in-tree distributions really declare."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from posegen.discovery import discover
from posegen.hookspecs import KINDS
from posegen.registry import path, registry

ROOT = Path(__file__).parents[2]


def in_tree() -> list[str]:
    return sorted(tomllib.loads(p.read_text())["project"]["name"] for p in ROOT.glob("plugins/*/pyproject.toml"))


@pytest.mark.parametrize("distribution", in_tree())
def test_installed_components_agree_with_the_registry(distribution):
    rows = [row for row in discover() if row.distribution == distribution]
    assert rows, f"{distribution} is not installed: pip install -e plugins/{distribution}"
    declared = {(row.kind, row.name): row.component.assets for row in rows if row.component}
    known = {(c.kind, c.name): c.assets for c in registry().components if c.distribution == distribution}
    assert declared == known
    assert all(row.status == "ok" for row in rows)
    assert all(row.component.summary and row.component.licence for row in rows if row.component)


def test_every_kind_has_a_default_that_is_known():
    assert set(registry().defaults) == set(KINDS)
    assert all(registry().component(kind, name) for kind, name in registry().defaults.items())


def test_the_defaults_are_those_of_the_settings():
    from posegen.config import COMPONENTS
    from posegen.settings import Settings

    assert {kind: getattr(Settings(), kind).name for kind in COMPONENTS} == {
        kind: registry().defaults[kind] for kind in COMPONENTS
    }


def test_needed_assets_are_known():
    known = registry()
    assert {asset for c in known.components for asset in c.assets} <= set(known.assets)


def test_every_asset_says_what_where_and_under_which_licence():
    for asset in registry().assets.values():
        assert asset.summary and asset.licence
        assert asset.page.startswith("http")
        assert bool(asset.files) != bool(asset.contains), f"{asset.name} is either a file or a folder"
        assert re.fullmatch("([0-9a-f]{64})?", asset.sha256)


def test_components_are_listed_once():
    names = [(c.kind, c.name) for c in registry().components]
    assert len(names) == len(set(names))
    assert all(kind in KINDS for kind, _ in names)


def test_a_checkout_reads_the_file_at_its_root():
    assert path().read_bytes() == (ROOT / "registry.toml").read_bytes()
