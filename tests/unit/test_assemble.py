"""From settings to live components, and what cannot work together, with real third-party parts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from anerf_people import person

from posegen import PluginError, UsageError, config, retention
from posegen.assemble import PROTOCOLS, assemble, check_people, complete, usable_device
from posegen.context import Context
from posegen.discovery import discover
from posegen.hookspecs import KINDS
from posegen.rundir import RunDirectory
from posegen.track import Track

ENTRY = """
import posegen
@posegen.hookimpl
def posegen_components():
    for name in ("blackbox", "foreign", "unfinished", "failing", "bare", "thirsty"):
        yield posegen.Component("estimator", name, "assemble_target:" + name.title())
"""
TARGET = """
import posegen, torch
from posegen.types import Estimate

class Blackbox:
    class Options(posegen.Options):
        depth: int = 1
    joint_set, input_size, differentiable, module, lr, frozen = "smpl24", 64, False, None, 1e-4, ()
    def __init__(self, options, *, device="cpu"): pass
    def crop(self, image, box): return image
    def predict(self, crop): return Estimate(torch.zeros(len(crop), 24, 3))

class Foreign(Blackbox):
    joint_set = "wholebody133"

class Unfinished:
    class Options(posegen.Options): pass
    joint_set, input_size = "smpl24", 64
    def __init__(self, options, *, device="cpu"): pass

class Failing(Blackbox):
    def __init__(self, options, *, device="cpu"): raise RuntimeError("weights are of\\nanother version")

class Bare:
    pass

class Thirsty(Blackbox):
    def __init__(self, options, *, device="cpu"):
        from posegen import assets
        assets.find("thirsty-weights")
"""


def context(settings, parts):
    return Context(parts, settings, RunDirectory(Path("nowhere")), Track(None))


@pytest.fixture
def parts(distribution, monkeypatch, tmp_path):
    monkeypatch.setenv("POSEGEN_CONFIG_DIR", str(tmp_path))
    site = distribution("posegen-third", "assemble_entry", ENTRY)
    (site / "assemble_target.py").write_text(TARGET)
    monkeypatch.syspath_prepend(site)
    discover.cache_clear()
    yield lambda *assignments, **options: assemble(config.load(assignments=assignments).settings, **options)
    discover.cache_clear()


def test_every_kind_has_a_protocol():
    assert tuple(PROTOCOLS) == KINDS


def test_the_default_settings_can_be_assembled(parts):
    made = parts()
    for kind in config.COMPONENTS:
        assert isinstance(getattr(made, kind), PROTOCOLS[kind])
    assert made.mesh("s4").body is not made.renderer.body


def test_random_weights_follow_the_seed(parts):
    def weights(seed):
        torch.manual_seed(99)
        return torch.cat([p.flatten() for p in parts(f"seed={seed}").discriminator.parameters()])

    first = weights(1)
    torch.rand(3)
    assert torch.equal(first, weights(1))
    assert not torch.equal(first, weights(2))


def test_assembling_leaves_the_global_generator_alone(parts):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    parts()
    assert torch.equal(torch.rand(1), expected)


def test_complete_fills_in_the_defaults_of_plugins():
    settings = complete(config.load(assignments=["estimator.variant=full"]).settings)
    assert settings.estimator.options["variant"] == "full"
    assert settings.renderer.options["subject"] == "s0"
    assert complete(settings) == settings


def test_completed_settings_survive_the_file(tmp_path):
    settings = complete(config.load().settings)
    (tmp_path / "run.toml").write_text(config.to_toml(settings))
    assert complete(config.load([str(tmp_path / "run.toml")]).settings) == settings


@pytest.mark.parametrize(
    ("assignment", "message", "hint"),
    [
        ("estimator.lrr=1", "unknown key 'estimator.lrr' (--set)", "did you mean 'lr'?"),
        ("estimator.variant=ful", "estimator.variant = 'ful' (--set) is not one of lite, full", "did you mean 'full'?"),
        ("estimator.lr=-1", "estimator.lr = -1 (--set) should be greater than 0", "--dry-run"),
        ("prior.depth=1", "unknown key 'prior.depth' (--set)", "prior: no options"),
    ],
)
def test_options_of_plugins_are_checked_like_settings(assignment, message, hint):
    made = config.load(assignments=[assignment])
    with pytest.raises(UsageError) as error:
        complete(made.settings, made.given)
    assert error.value.message.startswith(message)
    assert hint in error.value.hint


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["retain.dataset=3dpw", "retain.replay=0"], "is to be replayed, but in no step of 16 pictures"),
        (["retain.replay=0.95"], "leaves 1 of 16 pictures in a step for generated samples"),
    ],
)
def test_replay_that_does_nothing_or_leaves_no_room(assignments, message):
    made = config.load(assignments=[*assignments, "finetune.batch=16"])
    with pytest.raises(UsageError, match=message) as caught:
        complete(made.settings, made.given)
    assert caught.value.message.startswith("retain.replay (--set)") and "retain.replay" in caught.value.hint


def test_what_is_replayed_is_counted_in_the_estimators_own_batches(parts):
    given = ["retain.dataset=3dpw:nowhere", "retain.replay=0.01"]
    settings = complete(config.load(assignments=given).settings)  # too few for whom? nobody says how many a step has
    with pytest.raises(UsageError, match="nowhere is to be replayed, but in no step of 16 pictures"):
        retention.check(context(settings, parts()), [9])


def test_feedback_through_the_image_needs_a_differentiable_renderer(parts):
    with pytest.raises(UsageError, match="feedback 'rendered' needs a differentiable renderer; mesh is not") as error:
        parts("renderer=mesh", "feedback.mode=rendered")
    assert "--set feedback.mode=label" in error.value.hint


@pytest.mark.parametrize("views", ["uniform", "in_distribution"])
def test_feedback_looks_from_where_the_samples_are_drawn(parts, views):
    with pytest.raises(UsageError, match=f"from the generator's views, but loop.views={views} draws others") as error:
        parts("renderer=mesh", f"loop.views={views}")
    assert "--set feedback.w2=0" in error.value.hint
    parts("renderer=mesh", f"loop.views={views}", "feedback.w2=0")
    parts("renderer=mesh", f"loop.views={views}", "loop.poses=uniform")  # no generator, no feedback


def test_a_score_of_one_sample_says_nothing(parts):
    with pytest.raises(UsageError, match=r"compares samples, and feedback\.samples is 1"):
        parts("feedback.mode=score", "feedback.samples=1")


def test_feedback_of_more_poses_than_there_are(parts):
    with pytest.raises(UsageError, match=r"feedback\.samples = 9 are to be rendered of a batch of 8 poses") as error:
        parts("loop.batch=8", "feedback.samples=9")
    assert "--set feedback.samples=8" in error.value.hint


@pytest.mark.parametrize(
    ("pattern", "message", "hint"),
    [
        ("stages.0.bais", "no parameter of estimator 'blazepose' is called 'stages.0.bais'", "did you mean '"),
        ("*", r"nothing of estimator 'blazepose' is left to train: frozen are \*", "estimator.freeze="),
    ],
)
def test_freezing_what_is_not_there_or_all_there_is(parts, pattern, message, hint):
    with pytest.raises(UsageError, match=message) as error:
        parts(f'estimator.freeze=["{pattern}"]')
    assert hint in error.value.hint
    assert parts(f'estimator.freeze=["{pattern}"]', finetunes=False).estimator.frozen == (pattern,)


def test_people_without_a_share_of_the_samples():
    others = 'loop.others=["s1"]'

    def completed(*assignments):
        configuration = config.load(assignments=list(assignments))
        return complete(configuration.settings, configuration.given)

    with pytest.raises(UsageError, match=r"loop\.others \(--set\): none of them is drawn") as error:
        completed(others)
    assert "loop.company=0.8" in error.value.hint
    assert completed(others, "loop.company=0.5").loop.others == completed(others, "loop.company=0").loop.others


def test_meshes_that_are_never_drawn_need_not_be_there(parts):
    given = 'retain.subjects=["nobody"]'
    with pytest.raises(UsageError, match="nobody"):
        retention.check(context(config.load(assignments=[given]).settings, parts()), [9])
    retention.check(context(config.load(assignments=[given, "retain.replay=0"]).settings, parts()), [9])


def test_a_black_box_gives_feedback_but_cannot_be_fine_tuned(parts):
    with pytest.raises(UsageError, match="'blackbox' is a black box"):
        parts("estimator=blackbox")
    for mode in ("label", "score"):
        assert parts("estimator=blackbox", f"feedback.mode={mode}", finetunes=False).estimator.module is None


def test_an_unknown_joint_set(parts):
    with pytest.raises(UsageError, match="'foreign' sees the joints of wholebody133, which the body"):
        parts("estimator=foreign")


def test_people_of_whom_the_joints_alone_are_known(parts, tmp_path):
    """As A-NeRF's published ones are: BlazePose's landmarks lie on a surface."""
    file = tmp_path / "bones.safetensors"
    person(body="skeleton").save(file)
    given = config.load(assignments=[f'loop.others=["s1","{file}"]']).settings
    for refused in (lambda: parts(f"renderer.subject={file}"), lambda: check_people(given, parts(), given.loop.others)):
        with pytest.raises(UsageError, match="'blazepose' sees the joints of blazepose33, which ") as error:
            refused()
        assert all(name in error.value.hint for name in ("--estimator", "cliff", "hybrik", "spin"))
        assert "blazepose" not in error.value.hint
    check_people(given, parts("estimator=hybrik"), given.loop.others)


def test_a_plugin_that_is_not_what_it_declares(parts):
    with pytest.raises(PluginError, match=r"'unfinished' is no PoseEstimator: it lacks crop, predict, differentiable"):
        parts("estimator=unfinished")


def test_a_plugin_whose_constructor_fails(parts):
    with pytest.raises(PluginError, match="'failing' cannot be made: RuntimeError: weights are of another version"):
        parts("estimator=failing")


def test_a_plugin_without_options(parts):
    with pytest.raises(PluginError, match=r"'bare' has no class Options\(posegen.Options\)"):
        parts("estimator=bare")


def test_a_plugin_that_misses_its_asset(parts):
    with pytest.raises(Exception, match="asset 'thirsty-weights' is not registered") as error:
        parts("estimator=thirsty")
    assert error.value.exit_code == 3


@pytest.mark.parametrize("device", ["warp", "cuda:99"])
def test_a_device_that_is_not_there(parts, device):
    with pytest.raises(UsageError) as error:
        parts(f"device={device}")
    built = torch.backends.cuda.is_built()
    cuda = "device 'cuda:99' cannot be used here: " if built else "this PyTorch has no CUDA"
    assert error.value.message.startswith("there is no device 'warp'" if device == "warp" else cuda)
    assert error.value.hint.startswith("--device cpu")


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (AssertionError("Torch not compiled with CUDA enabled"), "this PyTorch has no CUDA"),
        (NotImplementedError("Could not run 'aten::empty.memory_format' ..."), "this PyTorch has no CUDA"),
        (RuntimeError("CUDA error: invalid device ordinal\nCUDA kernel errors might ..."),
         "device 'cuda:9' cannot be used here: CUDA error: invalid device ordinal"),
    ],
)  # fmt: skip
def test_what_torch_raises_of_a_device_is_told_in_a_sentence(monkeypatch, raised, message):
    def empty(*_, **__):
        raise raised

    monkeypatch.setattr(torch, "empty", empty)
    with pytest.raises(UsageError) as error:
        usable_device("cuda:9")
    assert error.value.message == message
