"""Discovery and selection over real installed distributions, whole and broken ones."""

from __future__ import annotations

import pytest

from posegen import Component, PluginError, plugins
from posegen.discovery import Plugin, discover

ONE = """
import posegen
@posegen.hookimpl
def posegen_components():
    yield posegen.Component(kind="{kind}", name="{name}", target="{target}", api={api})
"""


def plugin(kind="estimator", name="tiny", target="collections:OrderedDict", api=1):
    return ONE.format(kind=kind, name=name, target=target, api=api)


@pytest.fixture
def install(distribution, monkeypatch):
    """Installs a distribution into this process."""

    def write(*args, **kwargs):
        monkeypatch.syspath_prepend(distribution(*args, **kwargs))
        discover.cache_clear()

    yield write
    discover.cache_clear()


def row(distribution: str) -> Plugin:
    (found,) = [r for r in discover() if r.distribution == distribution]
    return found


def test_a_whole_plugin_is_listed_and_loaded(install):
    install("posegen-tiny", "tiny_whole", plugin())
    found = row("posegen-tiny")
    assert (found.kind, found.name, found.version, found.status, found.cause) == ("estimator", "tiny", "1.2", "ok", "")
    assert found.component == Component("estimator", "tiny", "collections:OrderedDict")
    assert plugins.load("estimator", "tiny").__name__ == "OrderedDict"
    assert plugins.load("estimator", "posegen_tiny:tiny") is plugins.load("estimator", "posegen-tiny:tiny")


@pytest.mark.parametrize(
    ("source", "status", "cause"),
    [
        (
            "import a_module_that_nobody_has",
            "broken",
            "ModuleNotFoundError: No module named 'a_module_that_nobody_has'",
        ),
        ("raise SystemExit('bye')", "broken", "SystemExit: bye"),
        ("def f(:", "broken", "SyntaxError"),
        (None, "broken", "ModuleNotFoundError"),
        ("x = 1", "broken", "declares no component"),
        ("import posegen\n@posegen.hookimpl\ndef posegen_components(): return []", "broken", "declares no component"),
        ("import posegen\n@posegen.hookimpl\ndef posegen_components(): return None", "broken", "TypeError"),
        ("import posegen\n@posegen.hookimpl\ndef posegen_components(): yield 3", "broken", "yields int"),
        ("import posegen\n@posegen.hookimpl\ndef posegen_components(x): yield 3", "broken", "PluginValidationError"),
        ("import posegen\n@posegen.hookimpl\ndef posegen_components(): 1 / 0; yield", "broken", "ZeroDivisionError"),
        (plugin(kind="renderers"), "broken", "unknown kind 'renderers'"),
        (plugin(target="no_colon"), "broken", "'module:Class'"),
        (plugin(name=""), "broken", "'module:Class'"),
        (plugin().replace('name="tiny"', "name=3"), "broken", "should be text"),
        (plugin().replace("api=1", "assets=None"), "broken", "should be text"),
        (plugin().replace("api=1", "colour='red'"), "broken", "TypeError"),
        (plugin(api=2), "incompatible", "written for api 2, this posegen has api 1"),
    ],
)
def test_a_bad_plugin_is_one_row_with_its_cause(install, request, source, status, cause):
    before = [r for r in discover() if r.status == "ok"]
    install("posegen-bad", f"bad_{abs(hash(request.node.name))}", source)
    found = row("posegen-bad")
    assert found.status == status
    assert cause in found.cause
    assert "\n" not in found.cause
    assert [r for r in discover() if r.status == "ok"] == before


def test_selecting_a_broken_plugin_tells_its_cause(install):
    install("posegen-tiny", "tiny_broken", "import a_module_that_nobody_has", entry="tiny")
    with pytest.raises(PluginError, match=r"estimator 'tiny' cannot be used.*posegen-tiny 1\.2 is broken.*nobody_has"):
        plugins.load("estimator", "tiny")


def test_a_broken_known_plugin_is_found_through_the_registry(install):
    install("posegen-spin", "spin_broken", "import a_module_that_nobody_has", entry="other")
    with pytest.raises(PluginError, match=r"posegen-spin 1\.2 is broken"):
        plugins.load("estimator", "spin")


def test_selecting_an_incompatible_plugin(install):
    install("posegen-tiny", "tiny_incompatible", plugin(api=7))
    with pytest.raises(PluginError, match="is incompatible: written for api 7"):
        plugins.load("estimator", "tiny")


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("a_module_that_nobody_has:Tiny", "fails to import a_module_that_nobody_has:Tiny: ModuleNotFoundError"),
        ("collections:Tiny", "fails to import collections:Tiny: AttributeError"),
        ("math:pi", "math:pi of posegen-tiny is not a class"),
    ],
)
def test_a_target_that_is_no_class_names_its_distribution(install, target, says):
    install("posegen-tiny", f"tiny_{abs(hash(target))}", plugin(target=target))
    assert row("posegen-tiny").status == "ok"  # nothing is imported before it is used
    with pytest.raises(PluginError) as error:
        plugins.load("estimator", "tiny")
    assert says in error.value.message and "posegen-tiny" in error.value.message


def test_two_plugins_with_one_name_need_a_distribution(install):
    install("posegen-a", "clash_a", plugin(target="collections:Counter"))
    install("posegen-b", "clash_b", plugin(target="collections:deque"))
    assert row("posegen-a").status == "ambiguous"
    assert "posegen-b" in row("posegen-a").cause
    with pytest.raises(PluginError) as error:
        plugins.load("estimator", "tiny")
    assert "posegen-a and posegen-b" in error.value.message
    assert "posegen-a:tiny or posegen-b:tiny" in error.value.hint
    assert plugins.load("estimator", "posegen-b:tiny").__name__ == "deque"


def test_an_incompatible_namesake_does_not_stand_in_the_way(install):
    install("posegen-a", "namesake_a", plugin(target="collections:Counter"))
    install("posegen-b", "namesake_b", plugin(api=9))
    assert row("posegen-a").status == "ok"
    assert plugins.load("estimator", "tiny").__name__ == "Counter"


def test_one_name_twice_in_one_distribution(install):
    install("posegen-a", "twice", plugin() + "    yield posegen.Component('estimator', 'tiny', 'a:B')\n")
    assert sorted((r.status, r.cause) for r in discover() if r.distribution == "posegen-a") == [
        ("broken", "declares estimator 'tiny' twice"),
        ("ok", ""),
    ]


def test_one_module_in_two_entry_points(install):
    install("posegen-a", "shared", plugin())
    install("posegen-b", "shared", None)
    assert sorted(r.status for r in discover() if r.distribution in ("posegen-a", "posegen-b")) == ["broken", "ok"]


@pytest.mark.parametrize("target", ["a_module_that_nobody_has:Class", "collections:NoSuchClass", "collections:abc"])
def test_a_target_that_cannot_be_used(install, target):
    install("posegen-tiny", f"target_{abs(hash(target))}", plugin(target=target))
    with pytest.raises(PluginError, match="posegen-tiny"):
        plugins.load("estimator", "tiny")


def test_metadata_without_a_name(install, tmp_path):
    install("posegen-tiny", "nameless", plugin())
    (tmp_path / "site" / "posegen_tiny-1.2.dist-info" / "METADATA").write_text("")
    discover.cache_clear()
    assert any(r.module == "nameless" and r.status == "ok" for r in discover())


@pytest.mark.usefixtures("without_spin")
def test_not_installed_but_known():
    with pytest.raises(PluginError, match="estimator 'spin' is not installed") as error:
        plugins.load("estimator", "spin")
    assert error.value.hint == "pip install ./plugins/posegen-spin  # in a checkout of PoseGen"
    assert error.value.exit_code == 4


def test_did_you_mean():
    with pytest.raises(PluginError, match="there is no estimator 'blazepoze'") as error:
        plugins.load("estimator", "blazepoze")
    assert "did you mean 'blazepose'?" in error.value.hint


def test_a_distribution_that_does_not_have_it():
    with pytest.raises(PluginError, match="there is no renderer 'mesh' in posegen-priors"):
        plugins.load("renderer", "posegen-priors:mesh")
