import inspect
from importlib import import_module
from pathlib import Path

import pytest

from posegen.datasets.registry import DATASETS
from posegen.datasets.sources import Source, parse
from posegen.errors import UsageError
from posegen.settings import RetainSettings

from .fixtures_npz import cliff, write

WITH_OPTIONS = [(name, option) for name, entry in DATASETS.items() for option in entry.options]


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("3dpw", Source("3dpw")),
        ("3dpw:/data/3DPW", Source("3dpw", Path("/data/3DPW"))),
        ("h36m?layout=spin", Source("h36m", None, {"layout": "spin"})),
        ("amass:/a?fps=10,hands=index1", Source("amass", Path("/a"), {"fps": 10.0, "hands": "index1"})),
        ("npz:/what?/a.npz", Source("npz", Path("/what?/a.npz"))),
        ("npz:/what?/a.npz?part_order=spin24", Source("npz", Path("/what?/a.npz"), {"part_order": "spin24"})),
        ("3dhp:C:/data?step=5", Source("3dhp", Path("C:/data"), {"step": 5})),
    ],
)
def test_name_path_and_options(text, source):
    assert parse(text) == source


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("amass:/a?fpss=10", "dataset 'amass' has no option 'fpss'", "did you mean 'fps'?"),
        ("amass:/a?zzz=10", "no option 'zzz'", "it has fps, trim, hands, release"),
        ("3dpw:/a?fps=10", "dataset '3dpw' has no option 'fps'", "it has none"),
        ("amass:/a?fps=ten", "amass: fps = 'ten' is not a number", "fps=1"),
        ("h36m?step=1.5", "h36m: step = '1.5' is not a whole number", "step=1"),
        ("h36m?step=1,step=2", "'step' twice", "once"),
        ("amas:/a?fps=10", "no dataset 'amas'", "amass"),
    ],
)
def test_wrong_options_are_told_with_what_there_is(text, message, hint):
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(("name", "option"), WITH_OPTIONS)
def test_loaders_have_the_options_that_are_listed(name, option):
    module, _, loader = DATASETS[name].target.partition(":")
    parameter = inspect.signature(getattr(import_module(module), loader)).parameters[option]
    assert DATASETS[name].options[option].__name__ in parameter.annotation


@pytest.mark.parametrize(
    "text", ["bvh:.?metres_per_unit=0", "bvh:.?metres_per_unit=nan", "h36m:.?step=0", "3dhp:.?step=-1", "amass:.?fps=0"]
)
def test_numbers_that_mean_nothing_are_refused(text):
    with pytest.raises(UsageError):
        parse(text).open()


def test_options_reach_the_loader(tmp_path):
    write(tmp_path / "some.npz", cliff())
    sets = {parse(f"npz:{tmp_path}/some.npz?part_order={order}").open()[0].joint_set for order in ("spin24", "smpl24")}
    assert sets == {"spin24", "smpl24"}


def test_a_relative_path_becomes_absolute_and_keeps_its_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert RetainSettings(dataset="npz:a.npz?part_order=spin24").dataset == f"npz:{tmp_path}/a.npz?part_order=spin24"
