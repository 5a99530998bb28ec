"""The kit itself: healthy components pass, faults of any kind are found, failures are told well."""

from __future__ import annotations

import importlib
import itertools
import sys

import pytest
import torch
from pydantic import ConfigDict, Field

import posegen
from posegen.discovery import discover
from posegen.errors import AssetError, PluginError, UsageError
from posegen.hookspecs import KINDS
from posegen.testing import Check, ConformanceError, check, checks

from . import healthy
from .faulty import Fault, around, assert_found, broken, named, noisy
from .healthy import Estimator, Prior

HEALTHY = {
    "prior": healthy.Prior,
    "discriminator": healthy.Discriminator,
    "estimator": healthy.Estimator,
    "renderer": healthy.Renderer,
    "body": healthy.Body,
    "motion": healthy.Motion,
    "photos": healthy.Photos,
}
NEED_AN_INSTALLATION = ("is_declared", "import_is_light")
COUNTER = itertools.count()


@pytest.mark.parametrize(
    ("kind", "check"),
    [(kind, c) for kind in KINDS for c in checks(kind) if c.name not in NEED_AN_INSTALLATION],
    ids=str,
)
def test_healthy_components_pass(kind: str, check: Check) -> None:
    check(HEALTHY[kind])


class Loose(posegen.Options):
    model_config = ConfigDict(extra="ignore")


class Undocumented(posegen.Options):
    secret: int = 1


class Named(posegen.Options):
    name: str = "mine"
    """Stands where the component's own name stands."""


class Undone(posegen.Options):
    bound: int | None = 5
    """None is not written, and comes back as 5."""


class Forgetful(posegen.Options):
    seed: int = Field(default_factory=lambda: next(COUNTER), exclude=True)
    """Never written, and different every time."""


class Anonymous:
    """An estimator without a joint set and a learning rate."""

    Options = healthy.Options
    input_size, differentiable, module = 16, True, None
    crop = predict = None

    def __init__(self, options, *, device="cpu") -> None:
        self.options = options


class Meddling(Prior):
    def __init__(self, options, *, device="cpu") -> None:
        super().__init__(options)
        torch.set_default_dtype(torch.float64)


FAULTS: list[tuple[str, Fault]] = [
    ("prior", (Prior, "is_declared", "yield posegen.Component from a posegen_components hook")),
    ("prior", (broken(Prior, Options=dict), "options_are_typed", "nested class Options")),
    ("prior", (broken(Prior, Options=Loose), "options_are_typed", "refuse unknown keys")),
    ("prior", (broken(Prior, Options=Undocumented), "options_are_typed", "option 'secret' needs a docstring")),
    ("prior", (broken(Prior, Options=Named), "options_are_typed", "an option cannot be 'name'")),
    ("prior", (broken(Prior, Options=Undone), "options_are_typed", "option 'bound' may be None")),
    ("prior", (broken(Prior, Options=Forgetful), "options_are_typed", "survive JSON")),
    ("motion", (Prior, "has_the_members", "Motion also has clips")),
    ("estimator", (Anonymous, "has_the_members", "PoseEstimator also has joint_set, lr, frozen")),
    ("prior", (Meddling, "leaves_torch_alone", "float64")),
]


@pytest.mark.parametrize(("kind", "fault"), FAULTS, ids=[fault[1] for _, fault in FAULTS])
def test_a_fault_of_any_kind_is_found(kind: str, fault: Fault) -> None:
    try:
        assert_found(kind, fault)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("heavy", ["torch", "numpy", "pydantic"])
def test_a_heavy_top_module_is_found(tmp_path, monkeypatch, heavy: str) -> None:
    (tmp_path / "heavy_plugin.py").write_text(f"import {heavy}\nclass Prior: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    component = importlib.import_module("heavy_plugin").Prior
    sys.modules.pop("heavy_plugin")
    with pytest.raises(ConformanceError, match=f"'import heavy_plugin' must not import .*{heavy}"):
        named("prior", "import_is_light")(component)


def test_a_heavy_entry_point_beside_a_light_package_is_found(distribution, monkeypatch) -> None:
    """Every command imports what the entry point names, not the package of the class."""
    code = (
        "import posegen, torch\n@posegen.hookimpl\ndef posegen_components():\n"
        "    yield posegen.Component('prior', 'light', 'light_target:Prior', summary='s', licence='MIT')\n"
    )
    site = distribution("posegen-heavy", "heavy_entry", code)
    (site / "light_target.py").write_text("class Prior: pass\n")
    monkeypatch.syspath_prepend(site)
    discover.cache_clear()
    try:
        with pytest.raises(ConformanceError, match="'import heavy_entry' must not import numpy, torch"):
            named("prior", "import_is_light")(importlib.import_module("light_target").Prior)
    finally:
        discover.cache_clear()


def test_a_top_module_that_cannot_be_imported_is_found() -> None:
    component = type("Prior", (), {"__module__": "nowhere_plugin"})
    with pytest.raises(ConformanceError, match="No module named 'nowhere_plugin'"):
        named("prior", "import_is_light")(component)


def test_check_names_every_failure() -> None:
    component = around(Estimator, "predict", lambda e: type(e)(1000 * noisy(e.joints)))
    with pytest.raises(ConformanceError, match=rf"^\d of {len(checks('estimator'))} checks failed\n") as failure:
        check("estimator", component)
    for name in ("is_declared", "joints_are_metres", "estimate_is_repeatable", "estimate_is_batch_independent"):
        assert f"- estimator BrokenEstimator, {name}: " in str(failure.value)


def test_check_takes_an_installed_name_and_options() -> None:
    check("prior", "uniform")
    check("discriminator", "parts", options={"width": 8, "out_width": 8})


def test_what_cannot_be_had_is_not_a_fault_of_the_component() -> None:
    with pytest.raises(PluginError, match="no prior 'unifrom'"):
        check("prior", "unifrom")
    with pytest.raises(UsageError, match="no kind 'estimater'") as failure:
        checks("estimater")
    assert "did you mean 'estimator'?" in str(failure.value)

    def refuse(self, options, *, device="cpu") -> None:
        raise AssetError("asset 'spin-checkpoint' is not registered", "posegen assets add ...")

    with pytest.raises(AssetError, match="spin-checkpoint"):
        named("prior", "samples_vary")(broken(Prior, __init__=refuse))


def test_checks_leave_the_global_generator_as_it_was() -> None:
    before = torch.random.get_rng_state()
    check("prior", "normal")
    named("discriminator", "state_survives")("parts")
    assert torch.equal(before, torch.random.get_rng_state())
