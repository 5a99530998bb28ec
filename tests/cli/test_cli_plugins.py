"""``posegen plugins`` with plugins of every kind of brokenness on the path."""

from __future__ import annotations

import json

import pytest

TINY = """
import posegen
@posegen.hookimpl
def posegen_components():
    yield posegen.Component(
        kind="estimator", name="tiny", target="{module}_target:Tiny", api={api}, summary="a tiny one", assets={assets})
"""
TARGET = """
import posegen
class Tiny:
    class Options(posegen.Options):
        strength: float = 0.5
        \"\"\"How strong.\"\"\"
        name_of_it: str
"""


@pytest.fixture
def tiny(distribution):
    def write(name="posegen-tiny", module="cli_tiny", api=1, assets=()):
        site = distribution(name, module, TINY.format(module=module, api=api, assets=assets))
        (site / f"{module}_target.py").write_text(TARGET)
        return site

    return write


def rows(ended):
    assert ended.code == 0, ended.err
    return {(row["kind"], row["name"], row["distribution"]): row for row in json.loads(ended.out)}


def test_a_third_partys_plugin_is_listed(command, tiny):
    row = rows(command("plugins", "list", "--json", site=tiny()))["estimator", "tiny", "posegen-tiny"]
    assert (row["status"], row["version"], row["summary"], row["cause"]) == ("ok", "1.2", "a tiny one", "")


def test_a_plugin_that_fails_to_import_is_one_row(command, distribution):
    site = distribution("posegen-broken", "cli_broken", "import a_module_that_nobody_has")
    ended = command("plugins", "list", site=site)
    assert ended.code == 0
    (line,) = [line for line in ended.out.splitlines() if "posegen-broken" in line]
    assert "broken" in line and "No module named 'a_module_that_nobody_has'" in line
    assert "mesh" in ended.out


def test_a_plugin_for_another_api_is_one_row(command, tiny):
    site = tiny(api=2)
    row = rows(command("plugins", "list", "--json", site=site))["estimator", "tiny", "posegen-tiny"]
    assert (row["status"], row["cause"]) == ("incompatible", "written for api 2, this posegen has api 1")
    ended = command("run", "--estimator", "tiny", "--dry-run", site=site)
    assert ended.code == 4
    assert "written for api 2" in ended.err and "Traceback" not in ended.err


def test_two_plugins_with_one_name(command, tiny):
    tiny("posegen-one", "cli_one")
    site = tiny("posegen-two", "cli_two")
    listed = rows(command("plugins", "list", "--json", site=site))
    assert listed["estimator", "tiny", "posegen-one"]["status"] == "ambiguous"
    ended = command("plugins", "info", "tiny", site=site)
    assert ended.code == 4
    assert "posegen-one and posegen-two" in ended.err
    assert "posegen-one:tiny or posegen-two:tiny" in ended.err
    assert command("plugins", "info", "posegen-two:tiny", site=site).code == 0


def test_a_missing_asset_names_its_command(command, tiny):
    row = rows(command("plugins", "list", "--json", site=tiny(assets=("tiny-weights",))))
    assert "posegen assets set tiny-weights PATH" in row["estimator", "tiny", "posegen-tiny"]["cause"]


@pytest.mark.usefixtures("without_spin")
def test_all_lists_what_could_be_installed(posegen):
    row = rows(posegen("plugins", "list", "--all", "--json"))["estimator", "spin", "posegen-spin"]
    assert (row["status"], row["cause"]) == (
        "not installed",
        "pip install ./plugins/posegen-spin  # in a checkout of PoseGen",
    )


def test_info_shows_options_with_type_default_and_description(command, tiny):
    (row,) = json.loads(command("plugins", "info", "tiny", "--json", site=tiny()).out)
    assert row["options"] == [
        {"name": "strength", "type": "number", "default": 0.5, "required": False, "help": "How strong."},
        {"name": "name_of_it", "type": "text", "default": None, "required": True, "help": ""},
    ]
    assert row["target"] == "cli_tiny_target:Tiny"


def test_info_of_a_real_plugin(posegen):
    ended = posegen("plugins", "info", "blazepose")
    assert ended.code == 0
    assert "posegen-blazepose" in ended.out and "`" not in ended.out
    rows = {line.split()[0]: line.split("  ") for line in ended.out.splitlines() if line}
    words = {name: [cell.strip() for cell in cells if cell][1:3] for name, cells in rows.items()}
    assert words["variant"] == ["lite, full", "lite"]
    assert words["lr"] == ["number > 0", "5e-05"]
    assert words["freeze"] == ["list of text", "*.bias, world.*, screen.*, person.*"]
    assert words["checkpoint"] == ["path or none", "none"]


def test_info_of_what_has_no_options(posegen):
    ended = posegen("plugins", "info", "starter")
    assert ended.out.count("no options") == 2 and "option  type" not in ended.out


def test_info_of_one_name_in_two_kinds(posegen):
    found = json.loads(posegen("plugins", "info", "starter", "--json").out)
    assert [row["kind"] for row in found] == ["motion", "photos"]
    (only,) = json.loads(posegen("plugins", "info", "starter", "--kind", "photos", "--json").out)
    assert only["kind"] == "photos"


@pytest.mark.usefixtures("without_spin")
def test_info_of_what_is_not_there(posegen):
    ended = posegen("plugins", "info", "blazepos")
    assert ended.code == 4 and "did you mean 'blazepose'?" in ended.err
    ended = posegen("plugins", "info", "spin")
    assert ended.code == 4 and "pip install ./plugins/posegen-spin  # in a checkout of PoseGen" in ended.err
    ended = posegen("plugins", "info", "mesh", "--kind", "rendere")
    assert ended.code == 2 and "did you mean 'renderer'?" in ended.err


def test_info_of_a_plugin_broken_before_it_told_its_kind(command, distribution):
    site = distribution("posegen-broken", "cli_broken", "1 / 0")
    ended = command("plugins", "info", "posegen-broken", site=site)
    assert ended.code == 4 and "ZeroDivisionError" in ended.err
