"""The documents agree with the code: commands, settings, tables, links."""

from __future__ import annotations

import re
import runpy
import shlex
import tomllib

import pytest
import torch
import typer.main
from documents import DOCUMENTS, FENCE, ROOT, blocks, text

from posegen import assemble, config, fit
from posegen.ablate.cells import cells
from posegen.ablate.recipe import chosen, read
from posegen.body import JOINT_SETS
from posegen.cli.main import app
from posegen.datasets import open as benchmark
from posegen.hookspecs import KINDS
from posegen.pretrain import settings as pretraining
from posegen.registry import registry
from posegen.rundir import RunDirectory
from posegen.settings import Selection, Settings

EXAMPLES = ("mine", "tiny")  # components that a reader is about to write
COMMANDS = [
    (document.name, line.partition("#")[0].rstrip("; "))
    for document in DOCUMENTS
    for block in blocks(document, "sh")
    for line in re.findall(r"(?:^|/|\bdo )(posegen [^;\n]*)", re.sub(r"\\\n\s*", "", block), re.MULTILINE)
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    prose = FENCE.sub("", text(document))
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", prose):
        if "://" not in target:
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_examples_can_be_read(document):
    for code in blocks(document, "python"):
        compile(code, document.name, "exec")
    for code in blocks(document, "toml"):
        tomllib.loads(code)


@pytest.mark.parametrize(("document", "line"), COMMANDS)
def test_commands_exist(document, line):
    words = shlex.split(line)[1:]
    command = words[0]
    verb = typer.main.get_command(app)
    while words and words[0] in getattr(verb, "commands", {}):
        verb = verb.commands[words.pop(0)]
    assert not hasattr(verb, "commands"), f"{line}: no such verb"
    options = {name for parameter in verb.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
    given, grid = ([words[i + 1] for i, word in enumerate(words) if word == name] for name in ("--set", "--grid"))
    if command == "ablate":
        if not words[0].startswith("-"):
            ablation = read(words[0], given, grid)
            assert cells(ablation, (0,), ROOT)
            for option, there in (("--rows", ablation.rows), ("--columns", ablation.columns)):
                assert chosen(there, [words[words.index(option) + 1]] if option in words else None, option)
        return
    if command == "fit":
        assert fit.read_options(fit.fittable(words[0]), fit.Request(words[0], ROOT, "s1", None, tuple(given)))
        return
    if command == "pretrain":
        pretraining.load({}, given)
        return
    parts = {f"--{kind}": (kind, words[words.index(f"--{kind}") + 1]) for kind in KINDS if f"--{kind}" in words}
    if not {name.strip("$") for _, name in parts.values()} & {*EXAMPLES, *KINDS}:
        assemble.complete(config.load((), parts, given).settings)


def test_there_are_commands_to_check():
    assert {name for name, _ in COMMANDS} >= {"README.md", "configuration.md", "plugins.md", "licences.md"}


def test_the_settings_are_up_to_date():
    written = "python docs/settings.py > docs/settings.md"
    markdown = runpy.run_path(str(ROOT / "docs" / "settings.py"))["markdown"]
    assert text(ROOT / "docs" / "settings.md") == markdown(), f"settings have changed: {written}"


def test_the_benchmark_is_as_described():
    cpu = torch.device("cpu")
    motion, photos = (assemble.make(kind, Selection(name="starter"), cpu) for kind in ("motion", "photos"))
    page = text(ROOT / "docs" / "benchmark.md")
    for split in benchmark.SPLITS.values():
        frames = len(benchmark._poses(split, motion)[0])
        low, high = split.elevation or (None, None)
        elevation = "uniform on the sphere" if low is None else f"{low}° to {high}°"
        background = "test photographs" if split.backgrounds else "white"
        cells = (
            f"`{split.name}`", ", ".join(split.subjects), f"{split.poses}, {frames} frames", elevation, background,
        )  # fmt: skip
        assert f"| {' | '.join(cells)} | " in page
    assert f"{len(photos.people('test'))} photographs" in page
    assert f"{len(photos.people('train'))} photographs" in page
    assert f"{benchmark.DISTANCE:g} m from the pelvis" in page and f"{benchmark.SIZE} x {benchmark.SIZE}" in page
    assert f"{Settings().evaluate.samples} by default" in page
    assert [name for name in benchmark.NAMES if name not in Settings().evaluate.splits] == ["validation"]
    for clip in benchmark.ACROBATIC:
        assert f"`{clip}`" in page


def test_the_joint_sets_are_as_described():
    body = assemble.make("body", Selection(name="open"), torch.device("cpu")).body()
    page = text(ROOT / "docs" / "conventions.md")
    for name, joint_set in JOINT_SETS.items():
        root = ", ".join(joint_set.joints[i] for i in joint_set.root)
        root = f"mean of {root}" if len(joint_set.root) > 1 else root
        has = "yes" if name in body.joint_sets else "no"
        assert f"| `{name}` | {len(joint_set)} | {root} | {has}" in page


def test_each_kind_is_described_with_its_members():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", text(ROOT / "docs" / "plugins.md"), re.MULTILINE))
    assert set(rows) == set(KINDS)
    for kind, protocol in assemble.PROTOCOLS.items():
        members = {name for name in (*vars(protocol), *protocol.__annotations__) if not name.startswith("_")}
        assert set(re.findall(r"`(\w+)", rows[kind])) == members, protocol


def test_each_asset_has_its_licence():
    page = text(ROOT / "docs" / "licences.md")
    for asset in registry().assets.values():
        assert f"| `{asset.name}` | {asset.summary} | {asset.licence} |" in page


def test_each_file_of_a_run_is_described(tmp_path):
    page = text(ROOT / "docs" / "configuration.md")
    for path in vars(RunDirectory(tmp_path)).values():
        if path != tmp_path:
            assert f"`{path.relative_to(tmp_path).parts[0]}" in page
