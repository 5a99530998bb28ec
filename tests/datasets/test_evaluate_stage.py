"""``posegen evaluate --dataset`` on files on disk: what is judged, said, refused, kept and gone on with."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from posegen import assemble, assets
from posegen.datasets.generated_records import Generated
from posegen.datasets.records import Record
from posegen.datasets.registry import open_dataset
from posegen.datasets.sources import Source
from posegen.datasets.threedpw import ThreeDPW
from posegen.errors import AssetError, UsageError
from posegen.scoring import folder as folders
from posegen.scoring import protocols, stage, windows
from posegen.scoring.sides import Abilities, abilities
from posegen.scoring.stage import Request, measure
from posegen.settings import Selection
from posegen.types import Estimate

from .fixtures_evaluate import SETTINGS, Oracle, people_of_3dpw, people_of_agora, spoken
from .fixtures_npz import NAMES, humans, spin, write
from .fixtures_people import person


@pytest.fixture
def data(tmp_path, monkeypatch):
    return people_of_3dpw(tmp_path, monkeypatch)


@pytest.fixture
def crowd(tmp_path, monkeypatch):
    return people_of_agora(tmp_path, monkeypatch)


@pytest.mark.parametrize("protocol", ["3dpw/spin", "3dpw/vibe", "3dpw/challenge", "3dpw/limbs"])
def test_figures_are_the_same_for_every_batch_and_number_of_workers(data, protocol):
    root, _, oracle = data
    results = [
        measure(oracle, SETTINGS, Request(Source("3dpw", root), protocol=protocol, batch=batch, workers=workers))
        for batch, workers in ((1, 0), (2, 2), (3, 1), (7, 3))
    ]
    for metric in results[0]["all"]:
        means = [r["all"][metric]["mean"] for r in results]
        assert max(means) - min(means) < 1e-4


class Placed(Oracle):
    """An estimator that must be told where the crop lies in the whole picture."""

    def __init__(self, oracle: Oracle) -> None:
        super().__init__(oracle.pose, oracle.betas, oracle.joints)
        self.told: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]] = []

    def context(self, picture, box, intrinsics=None):
        self.told.append((picture[0], box[0], intrinsics))
        return torch.tensor([[float(len(self.told))]])

    def predict(self, crop, context=None):
        self.last = context
        return super().predict(crop)


def test_an_estimator_is_told_the_place_in_the_whole_picture(data):
    root, records, oracle = data
    placed = Placed(oracle)
    measure(placed, SETTINGS, Request(Source("3dpw", root), protocol="3dpw/limbs", batch=4))
    judged = [r for r in records if any(torch.equal(r.box, box) for _, box, _ in placed.told)]
    assert len(judged) == len(placed.told) == len(records)
    for record, (picture, box, intrinsics) in zip(judged, placed.told, strict=True):
        assert picture.tolist() == [1080, 1920]
        torch.testing.assert_close(box, record.box)
        torch.testing.assert_close(intrinsics[0], record.intrinsics.float())
    assert placed.last[-1].item() == len(records)  # each crop with its own


def test_of_pictures_cut_around_a_person_no_place_is_told(data, monkeypatch):
    root, _, oracle = data
    assert Generated.cut
    monkeypatch.setattr(ThreeDPW, "cut", True, raising=False)
    placed = Placed(oracle)
    result = measure(placed, SETTINGS, Request(Source("3dpw", root), protocol="3dpw/limbs", batch=4))
    assert result["people"] == 9 and not placed.told and placed.last is None


def test_parts_of_the_dataset(data):
    root, _, oracle = data
    result, text = spoken(Request(Source("3dpw", root), protocol="3dpw/limbs", by=("gender", "viewpoint")), oracle)
    parts = result["by"]["gender"]
    count = sum(p["mpjpe"]["count"] for p in parts.values())
    mean = sum(p["mpjpe"]["mean"] * p["mpjpe"]["count"] for p in parts.values()) / count
    assert (count, mean) == (9, pytest.approx(result["all"]["mpjpe"]["mean"]))
    assert {"viewpoint", "gender", "female"} <= set(text.split())
    oracle.seen = 0
    with pytest.raises(UsageError, match="broken down by 'actoin'"):
        spoken(Request(Source("3dpw", root), protocol="3dpw/limbs", by=("actoin",)), oracle)
    assert oracle.seen == 1, "nobody is measured but the black crop"


def test_a_grouping_into_one_part_is_refused_below_the_figures(data):
    root, _, oracle = data
    text = io.StringIO()
    with pytest.raises(UsageError, match="broken down by 'sequence'"):
        measure(oracle, SETTINGS, Request(Source("3dpw", root), by=("sequence",)), Console(file=text, width=200))
    assert "PA-MPJPE" in text.getvalue() and "protocol 3dpw/spin" in text.getvalue()


@pytest.mark.parametrize("lacks", ["AGORA", "a body", "smpl-neutral"])
def test_what_agoras_server_would_not_take_is_refused_before_anybody_is_measured(data, crowd, tmp_path, lacks):
    root, _, oracle, _ = crowd
    name = "agora"
    if lacks == "AGORA":
        name, (root, _, oracle) = "3dpw", data
    elif lacks == "a body":
        oracle.predict = lambda crop: Estimate(torch.zeros(len(crop), 24, 3))
    else:
        assets._write({})
    error, message = {
        "AGORA": (UsageError, "does not take predictions on 3dpw"),
        "a body": (UsageError, "SMPL's meshes, which this estimator does not give"),
        "smpl-neutral": (AssetError, "'smpl-neutral' is not registered"),
    }[lacks]
    with pytest.raises(error, match=message):
        measure(oracle, SETTINGS, Request(Source(name, root), out=tmp_path / "out", agora_predictions=True))
    assert not (tmp_path / "out").exists()


def test_resume_repeats_no_part_and_ends_with_the_same(data, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "PART", 4)
    root, _, oracle = data
    whole = measure(oracle, SETTINGS, Request(Source("3dpw", root), out=tmp_path / "whole", save_predictions=True))
    interrupted = Request(Source("3dpw", root), out=tmp_path / "out", save_predictions=True)
    oracle.seen, oracle.stop_at = 0, 6
    with pytest.raises(KeyboardInterrupt):
        measure(oracle, SETTINGS, interrupted)
    oracle.seen, oracle.stop_at = 0, 10**9
    with pytest.raises(UsageError, match="not empty"):
        measure(oracle, SETTINGS, interrupted)
    resumed = Request(Source("3dpw", root), out=tmp_path / "out", save_predictions=True, resume=True)
    result = measure(oracle, SETTINGS, resumed)
    assert whole["seconds"]["all"] > 0
    assert result["seconds"] is None  # of a part of the work
    assert oracle.seen == 9 - 4 + 1 + 1  # five people, and one look at what comes out each time
    for name in ("all", "by", "people"):
        assert result[name] == whole[name]
    with np.load(tmp_path / "out/predictions.npz") as a, np.load(tmp_path / "whole/predictions.npz") as b:
        assert set(a.files) == set(b.files)
        assert all((a[k] == b[k]).all() if a[k].dtype.kind in "US" else np.array_equal(a[k], b[k], equal_nan=True)
                   for k in a.files)  # fmt: skip
    assert not (tmp_path / "out/parts").exists()
    with pytest.raises(UsageError, match="another evaluation: protocol differ"):
        measure(
            oracle, SETTINGS, Request(Source("3dpw", root), protocol="3dpw/limbs", out=tmp_path / "out", resume=True)
        )
    elsewhere = tmp_path / "copy"
    elsewhere.symlink_to(root, target_is_directory=True)
    with pytest.raises(UsageError, match="another evaluation: path differ"):
        measure(oracle, SETTINGS, Request(Source("3dpw", elsewhere), out=tmp_path / "out", resume=True))


def test_a_damaged_part_is_made_again(tmp_path):
    about = {"dataset": "x"}
    folder = folders.Folder(tmp_path / "out", about, resume=False)
    made = {"key": np.array(["a"])}
    folder.part(0, lambda: made)
    (tmp_path / "out/parts/00000.npz").write_bytes(b"PK\x03\x04 no")
    assert folder.part(0, lambda: made)["key"].tolist() == ["a"]
    with pytest.raises(UsageError, match="no evaluation to resume"):
        folders.Folder(tmp_path / "other", about, resume=True)


def test_predictions_are_kept_one_row_a_person(data, tmp_path):
    root, records, oracle = data
    measure(oracle, SETTINGS, Request(Source("3dpw", root), out=tmp_path / "out", save_predictions=True))
    with np.load(tmp_path / "out/predictions.npz", allow_pickle=False) as archive:
        assert archive["key"].tolist() == [r.key for r in records]
        np.testing.assert_array_equal(archive["joints"], oracle.joints.numpy())
        np.testing.assert_array_equal(archive["pose"], oracle.pose.numpy())
        np.testing.assert_array_equal(archive["betas"], oracle.betas.numpy())
        assert archive["figure/mpjpe"].shape == (9,)
    result = json.loads((tmp_path / "out/result.json").read_text())
    assert result["protocol"] == "3dpw/spin"
    assert result["definition"] == protocols.find("3dpw/spin").definition


@pytest.mark.parametrize("name", ["spin", "hybrik", "cliff"])
def test_small_networks_have_the_shape_of_another_body(name):
    small = assemble.make("estimator", Selection(name=name, options={"weights": "untrained"}), torch.device("cpu"))
    assert abilities(small) == Abilities("smpl24", body=False)


def test_the_shape_of_another_body_is_not_put_on_smpls_mesh(data, tmp_path, monkeypatch):
    root, _, oracle = data
    said = oracle.predict
    monkeypatch.setattr(oracle, "predict", lambda crop: replace(said(crop), of_smpl=False))
    result, text = spoken(Request(Source("3dpw", root), out=tmp_path / "out", save_predictions=True), oracle)
    assert result["protocol"] == "3dpw/challenge" and "no SMPL body" in " ".join(text.split())
    with np.load(tmp_path / "out/predictions.npz", allow_pickle=False) as archive:
        assert "betas" not in archive
        np.testing.assert_array_equal(archive["predicted"], oracle.joints.numpy())


def test_a_part_of_a_dataset_is_not_called_the_protocols_number(data):
    root, _, oracle = data
    _, text = spoken(Request(Source("3dpw", root), protocol="3dpw/limbs", limit=3), oracle)
    assert "the first 3 of 9: not the protocol's number" in text
    assert "of 24 sequences are there: not the protocol's number" in text


def oracle_of(folder):
    """One who sees everybody in the pictures of an npz stand in the same pose."""
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (300, 300)).save(folder / name)
    return Oracle(torch.zeros(1, 24, 3), torch.zeros(1, 10), torch.from_numpy(person("smpl24")[None]).float())


@pytest.mark.parametrize(
    ("layout", "key", "unseen", "judged"),
    [
        (spin, "S", range(24), [0, 2]),
        (spin, "S", [2], [0, 2]),
        (spin, "S", range(12, 24), [0, 1, 2]),  # head and trunk: no limb is among them
        (humans, "extra_keypoints_3d", range(1, 19), [0, 2]),
        (humans, "extra_keypoints_3d", range(19), [0, 2]),
    ],
)
def test_people_whose_compared_joints_are_not_all_labelled_are_left_out_and_counted(
    tmp_path, layout, key, unseen, judged
):
    oracle, content = oracle_of(tmp_path), layout()
    content[key][1, list(unseen)] = 0  # no joint, and no confidence
    if layout is humans:
        content["body_keypoints_3d"][1] = 0
    write(tmp_path / "x.npz", content)
    request = Request(Source("npz", tmp_path), out=tmp_path / "out", save_predictions=True)
    result, text = spoken(request, oracle)
    assert result["people"] == len(judged)
    assert result["left_out"] == ({"joints": 3 - len(judged)} if len(judged) < 3 else {})
    assert ("left out (joints): 1 people" in text) == (len(judged) < 3)
    with np.load(tmp_path / "out/predictions.npz") as archive:
        assert archive["key"].tolist() == [f"{NAMES[i]}/{i}" for i in judged]


def test_a_dataset_that_labels_nobodys_joints_is_refused_with_the_reason(tmp_path):
    oracle, content = oracle_of(tmp_path), spin()
    content["S"][..., 3] = 0
    write(tmp_path / "x.npz", content)
    with pytest.raises(UsageError, match="npz/limbs leaves out everybody of npz all") as caught:
        spoken(Request(Source("npz", tmp_path)), oracle)
    assert caught.value.hint == "nobody there has all the joints that it compares"


def test_who_is_left_out_is_counted_in_parts_that_are_read_again_too(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "PART", 1)
    oracle, content = oracle_of(tmp_path), spin()
    content["S"][0, :, 3] = 0
    write(tmp_path / "x.npz", content)
    oracle.stop_at = 2  # the black crop, and the person of the second part
    with pytest.raises(KeyboardInterrupt):
        spoken(Request(Source("npz", tmp_path), out=tmp_path / "out"), oracle)
    oracle.stop_at = 10**9
    result, _ = spoken(Request(Source("npz", tmp_path), out=tmp_path / "out", resume=True), oracle)
    assert (result["people"], result["left_out"]) == (2, {"joints": 1})


def test_an_estimator_without_a_body_is_judged_by_the_limbs_and_that_is_said(data):
    root, _, oracle = data
    oracle.predict = lambda crop: Estimate(torch.zeros(len(crop), 33, 3))
    oracle.joint_set = "blazepose33"
    result, text = spoken(Request(Source("3dpw", root)), oracle)
    assert result["protocol"] == "3dpw/limbs"
    assert "Judged by 3dpw/limbs instead: not comparable with published numbers" in text
    assert "not an official number" in result["definition"]
    with pytest.raises(UsageError, match="3dpw/spin compares joints of h36m17; blazepose gives blazepose33") as caught:
        spoken(Request(Source("3dpw", root), protocol="3dpw/spin"), oracle)
    assert "3dpw/limbs" in caught.value.hint


@pytest.mark.parametrize("missing", ["smpl-male", "h36m-regressor"])
def test_a_missing_licensed_file_is_named_with_the_command(data, monkeypatch, missing):
    root, _, oracle = data
    there = {name: entry for name, entry in assets.registered().items() if name != missing}
    monkeypatch.setattr(assets, "registered", lambda: there)
    with pytest.raises(AssetError, match=f"'{missing}' is not registered") as caught:
        spoken(Request(Source("3dpw", root), protocol="3dpw/spin"), oracle)
    assert caught.value.hint == f"posegen assets set {missing} PATH"


def test_a_damaged_list_of_vertices_matters_to_agora_alone_and_before_anybody_is_measured(data, crowd, tmp_path):
    (tmp_path / "body_verts_smpl.npy").write_bytes(b"no")
    assets.register("agora-body-vertices", tmp_path / "body_verts_smpl.npy")
    root, _, oracle = data
    assert measure(oracle, SETTINGS, Request(Source("3dpw", root)))["all"]["pve"]["count"] == 9
    root, _, oracle, _ = crowd
    with pytest.raises(AssetError, match=r"body_verts_smpl\.npy cannot be read"):
        measure(oracle, SETTINGS, Request(Source("agora", root), out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("ids", [[], [5, 5], [-1, 2], [6890], [0.0, 1.0]])
def test_a_list_of_vertices_that_are_not_smpls_is_refused(crowd, tmp_path, ids):
    np.save(tmp_path / "body_verts_smpl.npy", np.array(ids, dtype=type(ids[0]) if ids else int))
    assets.register("agora-body-vertices", tmp_path / "body_verts_smpl.npy")
    root, _, oracle, _ = crowd
    with pytest.raises(AssetError, match=r"body_verts_smpl\.npy is no list of some of SMPL's 6,890 vertices") as caught:
        measure(oracle, SETTINGS, Request(Source("agora", root)))
    assert caught.value.hint == "posegen assets set agora-body-vertices PATH"


def test_a_missing_picture_is_named(data):
    root, _, oracle = data
    (root / "imageFiles/downtown_test_00/image_00003.jpg").unlink()
    with pytest.raises(AssetError, match=r"image_00003\.jpg"):
        spoken(Request(Source("3dpw", root), protocol="3dpw/limbs"), oracle)


def test_a_window_gives_the_crop_of_the_whole_picture(tmp_path):
    from posegen_blazepose.estimator import BlazePose

    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 255, (60, 34, 3), dtype=np.uint8)).resize((1080, 1920), Image.BICUBIC)
    coarse.save(tmp_path / "a.png")
    estimator = BlazePose(BlazePose.Options())
    for box in ((300.0, 500, 700, 1500), (5, 10, 300, 600), (900, 1700, 1079, 1919), (500, 900, 540, 1000)):
        record = Record("a/0/0", image=tmp_path / "a.png", box=torch.tensor(box, dtype=torch.float32))
        ((_, part),) = windows.windows(tmp_path / "a.png", [record])
        whole = torch.from_numpy(np.array(coarse)).permute(2, 0, 1)[None] / 255
        a, b = estimator.crop(part.image[None], part.box[None]), estimator.crop(whole, record.box[None])
        torch.testing.assert_close(a, b, rtol=0, atol=2e-3)


def test_transparent_pictures_stand_before_white(tmp_path):
    pixels = np.zeros((8, 8, 4), dtype=np.uint8)
    pixels[2:6, 2:6] = (200, 0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    record = Record("a/0/0", image=tmp_path / "a.png", box=torch.tensor([2.0, 2, 6, 6]))
    ((_, window),) = windows.windows(tmp_path / "a.png", [record])
    assert window.image[:, 0, 0].tolist() == [1, 1, 1]
    assert window.image[:, 4, 4].mul(255).tolist() == [200, 0, 0]


def test_a_scan_tells_how_far_it_is(data):
    told = []
    open_dataset("3dpw", "test", data[0], lambda done, total: told.append((done, total)))
    assert told in ([], [(1, 1)])  # nothing to tell where the index is still good
    for path in (data[0] / "sequenceFiles/test").iterdir():
        path.touch()
    open_dataset("3dpw", "test", data[0], lambda done, total: told.append((done, total)))
    assert told[-1] == (1, 1)


def test_a_picture_that_is_too_large_is_named(tmp_path, monkeypatch):
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(AssetError, match=r"a\.png cannot be read: it has more than"):
        windows.windows(tmp_path / "a.png", [])


def test_a_folder_that_may_not_be_listed_is_not_called_empty(tmp_path, monkeypatch):
    def denied(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(AssetError, match=f"{tmp_path} cannot be read: Permission denied"):
        open_dataset("npz", root=tmp_path)


@pytest.mark.parametrize(
    ("call", "message", "hint"),
    [
        (lambda: protocols.find("3dpw/spni"), "no protocol '3dpw/spni'", "3dpw/spin"),
        (lambda: open_dataset("3dwp"), "no dataset '3dwp'", "3dpw"),
        (lambda: open_dataset("3dpw", "tets"), "no split 'tets'", "test"),
        (lambda: open_dataset("npz"), "no registered place", "npz:PATH"),
        (lambda: stage._of("ski", "3dpw/spin"), "'3dpw/spin' is not for ski", "ski/ptz"),
        (lambda: stage._of("surreal", "surreal/limbs"), "'surreal' has no images to judge", "3dpw"),
        (lambda: stage._first("surreal", Abilities("coco17", body=False), "x"), "no images to judge", "3dpw"),
        (lambda: stage._first("amass", Abilities("coco17", body=False), "x"), "no images to judge", "3dpw"),
    ],
)
def test_wrong_words(call, message, hint):
    with pytest.raises(UsageError, match=message) as caught:
        call()
    assert hint in caught.value.hint
