"""docs/protocols.md and docs/datasets.md say what the code says."""

import re
from pathlib import Path

import pytest

from posegen.datasets.registry import DATASETS
from posegen.registry import registry
from posegen.scoring import documents
from posegen.scoring.protocols import METRICS, PROTOCOLS

ROOT = Path(__file__).parents[2]
PAGE, DATA = (ROOT / "docs" / name for name in ("protocols.md", "datasets.md"))


def test_the_table_of_protocols_is_up_to_date():
    """Written by ``python -m posegen.scoring.documents``."""
    assert documents.filled(PAGE.read_text(encoding="utf-8")) == PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_is_defined(name):
    assert f"`{name}`" in PAGE.read_text(encoding="utf-8") or name.endswith("/limbs")


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_is_described_with_its_asset(name):
    text = DATA.read_text(encoding="utf-8")
    assert f"`{name}`" in text
    if DATASETS[name].asset:
        assert DATASETS[name].asset in registry().assets
        assert f"`{DATASETS[name].asset}`" in text


def test_every_trap_has_a_test_that_exists():
    table = DATA.read_text(encoding="utf-8").partition("<!-- traps -->")[2]
    rows = re.findall(r"^\| (?!trap|---)(.+?) \| (.+?) \|$", table, re.MULTILINE)
    assert len(rows) >= 40
    there = {
        f"{path.stem}::{name}"
        for path in ROOT.glob("tests/*/test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    for trap, tests in rows:
        named = re.findall(r"`(\w+::\w+)`", tests)
        assert named, trap
        assert set(named) <= there, trap


def test_every_metric_that_is_printed_has_a_title():
    assert all(metric.title and metric.unit for metric in METRICS.values())
