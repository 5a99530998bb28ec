"""Layers of settings, where their values came from, and what a user reads about a mistake."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from posegen import UsageError, assemble, config, layers, recipes
from posegen.settings import Selection, Settings


@pytest.fixture
def recipe(tmp_path):
    def write(text: str, name: str = "mine.toml") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def test_without_layers_the_defaults():
    assert config.load().settings == Settings()


def test_later_layers_win(recipe):
    low = recipe("seed = 1\n[loop]\nbatch = 10\nrounds = 2\nwarmup = 3\n", "low.toml")
    high = recipe("[loop]\nbatch = 20\nrounds = 5\n", "high.toml")
    made = config.load([low, high], {"--seed": ("seed", 4)}, ["loop.batch=30"])
    loop = made.settings.loop
    assert (made.settings.seed, loop.batch, loop.rounds, loop.warmup) == (4, 30, 5, 3)
    assert loop.iterations == Settings().loop.iterations


def test_each_value_knows_its_source(recipe):
    path = recipe("seed = 1\n\n[loop]\nbatch = 10\n[renderer]\nname = 'mesh'\nsubject = 's1'\n")
    options = {"--device": ("device", "cuda"), "--seed": ("seed", None), "--prior": ("prior", "uniform")}
    made = config.load([path], options, ["feedback.w2=0.3", "estimator.lr=1"])
    sources = {key: str(made.source(*key.split("."))) for key in made_keys(made)}
    assert sources["seed"] == f"{path}, line 1"
    assert sources["loop.batch"] == f"{path}, line 4"
    assert sources["renderer.subject"] == f"{path}, line 7"
    assert sources["device"] == "--device"
    assert sources["prior.name"] == "--prior"
    assert sources["feedback.w2"] == "--set"
    assert sources["estimator.name"] == sources["loop.clip"] == "default"
    assert str(config.load(["quick"]).source("feedback", "w2")).startswith("recipe quick, line ")


def made_keys(made):
    from posegen.layers import flat

    return [".".join(key) for key, _ in flat(config.to_table(made.settings))]


@pytest.mark.parametrize(
    ("assignment", "kind", "expected"),
    [
        ("estimator.lr=3e-5", "estimator", Selection(name="blazepose", options={"lr": 3e-5})),
        ("renderer=anerf", "renderer", Selection(name="anerf")),
        ("renderer.name=anerf", "renderer", Selection(name="anerf")),
        ("prior = posegen-x:normal", "prior", Selection(name="posegen-x:normal")),
        ("renderer.light=[1, 2]", "renderer", Selection(name="anerf", options={"light": [1, 2]})),
        ('renderer.subject="3"', "renderer", Selection(name="anerf", options={"subject": "3"})),
        ("renderer.a.b=true", "renderer", Selection(name="anerf", options={"a": {"b": True}})),
        ("renderer={subject = 's2'}", "renderer", Selection(name="anerf", options={"subject": "s2"})),
        ("renderer.path=some/a=b", "renderer", Selection(name="anerf", options={"path": "some/a=b"})),
        ("renderer.path=", "renderer", Selection(name="anerf", options={"path": ""})),
        ("renderer.path=none", "renderer", Selection(name="anerf", options={"path": None})),
    ],
)
def test_assignments_are_toml_values_or_else_text(assignment, kind, expected):
    assert getattr(config.load(assignments=[assignment]).settings, kind) == expected


def test_none_takes_a_recipe_s_value_back(recipe):
    assert config.load([recipe("retain.average = 0.5")]).settings.retain.average == 0.5
    taken = config.load([recipe("retain.average = 0.5")], assignments=["retain.average=none"]).settings
    assert taken.retain.average is None


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("retain.folder", "photos", "HERE/photos"),
        ("retain.folder", "~/photos", "HOME/photos"),
        ("retain.folder", "/photos", "/photos"),
        ("retain.dataset", "h36m:data", "h36m:HERE/data"),
        ("evaluate.datasets", ["agora", "3dpw:~/3dpw"], ["agora", "3dpw:HOME/3dpw"]),
        ("renderer.subject", "me.safetensors", "HERE/me.safetensors"),
        ("loop.others", ["s1", "~/me.safetensors"], ["s1", "HOME/me.safetensors"]),
        ("retain.subjects", ["../you.tar", "s2"], ["HERE/../you.tar", "s2"]),
        ("real_poses", "bvh:clips", "bvh:HERE/clips"),
        ("estimator.checkpoint", "~nobody-has-this-name/tuned.pth", "HERE/~nobody-has-this-name/tuned.pth"),
    ],
)
def test_paths_are_those_of_the_folder_in_which_they_were_given(recipe, tmp_path, monkeypatch, key, value, found):
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    by_option = config.load((), None, [f"{key}={value}"])
    for made in (by_option, config.load([recipe(f"{key} = {value!r}\n")])):
        table = config.to_table(assemble.complete(made.settings))
        shown = json.dumps(dict(layers.flat(table))[tuple(key.split("."))])
        assert shown == json.dumps(found).replace("HERE", str(tmp_path)).replace("HOME", str(home))


def test_where_a_file_of_settings_differs():
    small = config.load(assignments=["loop.batch=8", "finetune.lr=1"]).settings
    assert config.difference(config.to_toml(small), small) == "its file has the same values in another form"
    other = config.load(assignments=["loop.batch=8"]).settings
    assert config.difference(config.to_toml(small), other) == "finetune.lr is 1.0 there, and no value here"
    assert config.difference("[", other) == "its file is damaged"


def test_a_component_in_short_form(recipe):
    assert config.load([recipe('estimator = "spin"')]).settings.estimator == Selection(name="spin")


def test_another_component_drops_the_options_of_the_former(recipe):
    path = recipe("[estimator]\nname = 'blazepose'\nvariant = 'full'\n")
    chosen = {"--estimator": ("estimator", "spin")}
    assert config.load([path], chosen).settings.estimator == Selection(name="spin")
    assert config.load([path], chosen, ["estimator.lr=1"]).settings.estimator.options == {"lr": 1}
    same = {"--estimator": ("estimator", "blazepose")}
    assert config.load([path], same).settings.estimator.options == {"variant": "full"}


def test_options_without_a_name_belong_to_the_default_component(recipe):
    path = recipe("[estimator]\nvariant = 'full'\n")
    assert config.load([path]).settings.estimator == Selection(name="blazepose", options={"variant": "full"})
    assert config.load([path], {"--estimator": ("estimator", "spin")}).settings.estimator == Selection(name="spin")


@pytest.mark.parametrize(
    ("assignment", "message", "hint"),
    [
        ("feedbak.mode=label", "unknown key 'feedbak' (--set)", "did you mean 'feedback'?"),
        ("feedback.mod=label", "unknown key 'feedback.mod' (--set)", "did you mean 'mode'?"),
        ("sed=1", "unknown key 'sed' (--set)", "did you mean 'seed'?"),
        ("feedback.mode=labl", "feedback.mode = 'labl' (--set) is not one of auto, rendered, label, score", "'label'?"),
        ("loop.samples=0", "loop.samples = 0 (--set) should be greater than 0", "--dry-run"),
        ("loop.batch=1", "loop.batch = 1 (--set) should be greater than or equal to 2", "--dry-run"),
        ("loop.batch=many", "loop.batch = 'many' (--set) is not a whole number", "--dry-run"),
        ("retain.replay=1.5", "retain.replay = 1.5 (--set) should be less than or equal to 1", "--dry-run"),
        ("feedback=3", "'feedback' is a section, not the value 3 (--set)", "set feedback.KEY"),
        ("loop=none", "'loop' is a section, not the value none (--set)", "set loop.KEY"),
        ("seed.x=3", "unknown key 'seed.x' (--set)", "seed is itself a value"),
        ("feedback.w2=inf", "feedback.w2 = inf (--set) is not a finite number", "--dry-run"),
        ("feedback.w2=nan", "feedback.w2 = nan (--set) is not a finite number", "--dry-run"),
        ("feedback.w2=true", "feedback.w2 = true (--set) is not a number", "--dry-run"),
        ("finetune.turn=true", "finetune.turn = true (--set) is not a number", "--dry-run"),
        ("loop.samples=true", "loop.samples = true (--set) is not a whole number", "--dry-run"),
        ("loop.samples=1e400", "loop.samples = inf (--set) is not a finite number", "--dry-run"),
        ("seed=9223372036854775808", "seed = 9223372036854775808 (--set) should be less than 92233", "--dry-run"),
        ("seed=1979-05-27", "seed = 1979-05-27 (--set) is not a whole number", "--dry-run"),
        ("camera.size=1", "camera.size = 1 (--set) should be greater than or equal to 16", "--dry-run"),
        ("camera.distance=1.4", "camera.distance = 1.4 (--set) should be greater than or equal to 1.5", "--dry-run"),
        ("camera.spread=0.7", "camera.spread = 0.7 (--set) brings the camera nearer than 1.5 m", "--dry-run"),
        ("retain.folder=3", "retain.folder = 3 (--set) is not a path", "--dry-run"),
        ("loop.others=s1", "loop.others = 's1' (--set) is not a list", "like loop.others = ['s1']"),
        ("loop.others=['s1', 2]", "item 2 of loop.others = 2 (--set) is not text", "--dry-run"),
        ("seed", "--set seed is not an assignment", "like --set"),
        ("=3", "--set =3 is not an assignment", "like --set"),
        ("a..b=3", "--set a..b=3 is not an assignment", "like --set"),
        ("loop={}", "--set loop={} says nothing, as a table in it is empty", "give it a value"),
        ("rows={a={},b.seed=1}", "--set rows={a={},b.seed=1} says nothing", "give it a value"),
        ("retain.share=0", "retain.share = 0 (--set) should be greater than 0", "--dry-run"),
    ],
)
def test_mistakes_on_the_command_line(assignment, message, hint):
    with pytest.raises(UsageError) as error:
        config.load(assignments=[assignment])
    assert error.value.message.startswith(message)
    assert hint in error.value.hint
    assert error.value.exit_code == 2


def test_a_mistake_in_a_file_names_file_and_line(recipe):
    path = recipe("# mine\nseed = 1\n\n[feedback]\nmode = 'labl'\n")
    with pytest.raises(UsageError) as error:
        config.load([path])
    assert f"({path}, line 5)" in error.value.message


def test_an_unknown_section_in_a_file_names_file_and_line(recipe):
    path = recipe("seed = 1\n[feedbak]\nw1 = 2\n")
    with pytest.raises(UsageError) as error:
        config.load([path])
    assert error.value.message == f"unknown key 'feedbak' ({path}, line 3)"


@pytest.mark.parametrize(
    ("text", "assignment", "one", "other"),
    [
        ("[loop]\nbatch = 2\n", "loop=3", "loop = 3 (--set)", "loop.batch = 2 ({path}, line 2)"),
        ("loop = 3\n", "loop.batch=2", "loop = 3 ({path}, line 1)", "loop.batch = 2 (--set)"),
        ("seed = 3\n", "seed.x.y=true", "seed = 3 ({path}, line 1)", "seed.x.y = true (--set)"),
    ],
)
def test_a_section_and_a_value_in_different_layers(recipe, text, assignment, one, other):
    path = recipe(text)
    with pytest.raises(UsageError, match="cannot be a value and a section") as error:
        config.load([path], assignments=[assignment])
    assert error.value.message.endswith(f": {one}, {other}".format(path=path))


@pytest.mark.parametrize("text", ["seed = ", "[loop\n", "seed = 1\nseed = 2\n"])
def test_a_file_that_is_not_toml(recipe, text):
    path = recipe(text)
    with pytest.raises(UsageError, match="is not valid TOML") as error:
        config.load([path])
    assert path in error.value.message


def test_bytes_that_are_not_text(tmp_path):
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is not valid TOML"):
        config.load([str(tmp_path / "mine.toml")])


def test_an_unknown_recipe_proposes_the_nearest():
    with pytest.raises(UsageError, match="there is no recipe 'qick'") as error:
        config.load(["qick"])
    assert "did you mean 'quick'?" in error.value.hint


def test_a_missing_recipe_file(tmp_path):
    with pytest.raises(UsageError, match="there is no recipe file"):
        config.load([str(tmp_path / "no.toml")])


@pytest.mark.parametrize("name", list(recipes.available()))
def test_built_in_recipes_are_valid_and_say_what_they_are_for(name):
    path = recipes.find(name)
    config.load([name])
    assert len(recipes.summary(path)) > 20


@pytest.mark.parametrize("name", list(recipes.available()))
def test_each_line_of_a_built_in_recipe_is_explained(name):
    """A block of lines without comment may only follow one that explains it."""
    explained = False
    for line in recipes.find(name).read_text().splitlines():
        if "=" in line.partition("#")[0]:
            explained = explained or "#" in line
            assert explained, line
        else:
            explained = False


def test_the_paper_recipe_has_the_published_numbers():
    s = config.load(["paper"]).settings
    assert (s.generator.z_dim, s.generator.width, s.generator.stages) == (32, 256, 2)
    assert (s.generator.lr, s.generator.discriminator_lr, s.loop.batch, s.loop.clip) == (1e-4, 1e-4, 1024, 1.0)
    assert (s.feedback.w1, s.feedback.w2, s.feedback.c, s.feedback.clamp) == (1.0, 0.1, 1.0, False)
    assert (s.feedback.every, s.feedback.samples, s.camera.size) == (5, 20, 512)
    assert (s.finetune.epochs, s.finetune.batch, s.finetune.lr, s.finetune.d) == (10, 128, 5e-5, 0.2)


def test_the_written_file_reproduces_the_settings(tmp_path):
    assignments = ["estimator.variant=full", "retain.folder=/some/where", "finetune.lr=3e-7", "evaluate.splits=['usd']"]
    made = config.load(["paper"], {"--seed": ("seed", 7)}, assignments).settings
    (tmp_path / "run.toml").write_text(config.to_toml(made))
    again = config.load([str(tmp_path / "run.toml")]).settings
    assert again == made
    assert isinstance(again.retain.folder, Path)
    assert config.to_toml(again) == config.to_toml(made)


positive = st.floats(min_value=1e-300, allow_infinity=False, allow_nan=False)
text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
options = st.dictionaries(
    text.filter(lambda key: key != "name"),
    st.one_of(st.integers(-(2**63), 2**63 - 1), st.booleans(), text, positive, st.lists(positive)),
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**63 - 1), lr=positive, name=text, options=options, folder=st.none() | text)
def test_any_settings_survive_the_file(tmp_path_factory, seed, lr, name, options, folder):
    made = TypeAdapter(Settings).validate_python(
        {
            "seed": seed,
            "finetune": {"lr": lr},
            "estimator": {"name": name, "options": options},
            "retain": {"folder": folder},
        }
    )
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_text(config.to_toml(made), encoding="utf-8", newline="")
    again = config.load([str(file)]).settings
    assert again == made
    assert math.isclose(again.finetune.lr or 0, lr, rel_tol=0)
