"""An estimator on a dataset: from the files on disk to the figures, against what smplx and numpy say."""

import io
import json
import pickle
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from posegen import assets
from posegen.datasets.records import Record
from posegen.datasets.registry import DATASETS, open_dataset
from posegen.datasets.threedpw import ThreeDPW
from posegen.errors import AssetError, UsageError
from posegen.scoring import folder as folders
from posegen.scoring import protocols, stage, windows
from posegen.scoring.meshes import Meshes, read_regressor
from posegen.scoring.sides import Abilities
from posegen.scoring.stage import Request, measure
from posegen.settings import Settings
from posegen.types import Estimate

from .fixtures_agora import Crowd
from .fixtures_mpi_inf_3dhp import write_test
from .fixtures_threedpw import FRAMES, sequence, threedpw

ROOT = Path(__file__).parents[2]
SETTINGS = Settings()
V = 60  # vertices of the bodies here: SMPL's format with none of its numbers


def smpl(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    parents = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
    template = rng.uniform(-0.9, 0.9, (V, 3))
    weights = rng.random((V, 24)) ** 8
    regressor = rng.random((24, V)) ** 6
    return {
        "v_template": template,
        "shapedirs": 0.02 * rng.standard_normal((V, 3, 10)),
        "posedirs": 0.002 * rng.standard_normal((V, 3, 207)),
        "weights": weights / weights.sum(1, keepdims=True),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "kintree_table": np.array([np.array(parents) % 2**32, np.arange(24)], dtype=np.uint32),
        "f": rng.integers(0, V, (20, 3)).astype(np.uint32),
    }


REGRESSOR = np.random.default_rng(9).random((17, V)) ** 6
REGRESSOR /= REGRESSOR.sum(1, keepdims=True)


def by_hand(seed: int, pose: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """SMPL written out: one person's vertices (V,3)."""
    import smplx

    model = smplx.SMPL("", data_struct=type("S", (), smpl(seed))(), vertex_ids=defaultdict(int))
    out = model(
        betas=torch.from_numpy(betas[None]).float(),
        global_orient=torch.from_numpy(pose[None, :3]).float(),
        body_pose=torch.from_numpy(pose[None, 3:]).float(),
    )
    return out.vertices[0].detach().numpy().astype(np.float64)


class Oracle:
    """Reads from each picture's grey which person it shows, and says what a table has for that person."""

    joint_set, input_size, differentiable, module, lr, frozen = "smpl24", 8, False, None, 1e-4, ()

    def __init__(self, pose: torch.Tensor, betas: torch.Tensor, joints: torch.Tensor) -> None:
        self.pose, self.betas, self.joints, self.seen, self.stop_at = pose, betas, joints, 0, 10**9

    def crop(self, image, box):
        x, y = (box[0, :2] + box[0, 2:]).div(2).long().tolist()
        return image[:, :, y : y + 1, x : x + 1].expand(1, 3, 8, 8)

    def predict(self, crop):
        if self.seen + len(crop) > self.stop_at:
            raise KeyboardInterrupt
        self.seen += len(crop)
        rows = ((crop.mean(dim=(1, 2, 3)) * 255).round().long() - 10) // 10
        rows = rows.clamp(0, len(self.pose) - 1)
        pose = self.pose[rows]
        return Estimate(self.joints[rows], pose[:, 1:], pose[:, 0], self.betas[rows])


def grey(path: Path, spots: list[tuple[float, float, int]]) -> None:
    """A picture in which person ``row`` is a spot of grey 10 + 10 row, so that pictures and rows cannot be mixed up."""
    pixels = np.zeros((1920, 1080, 3), dtype=np.uint8)
    for x, y, row in spots:
        pixels[int(y) - 30 : int(y) + 30, int(x) - 30 : int(x) + 30] = 10 + 10 * row
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """3DPW with nine people, the bodies of three genders, and an oracle whose table differs from the truth."""
    monkeypatch.setenv("POSEGEN_CONFIG_DIR", str(tmp_path / "config"))
    content = sequence()
    for person, points in enumerate(content["poses2d"]):
        points[:, 0] += 250 * (person - 0.5)  # the two stand apart
    root = threedpw(tmp_path / "3dpw", {"downtown_test_00": content})
    dataset = ThreeDPW(root, "test")
    records = list(dataset)
    for frame in range(FRAMES):
        name = f"image_{frame:05d}.jpg"
        spots = [
            ((r.box[0] + r.box[2]).item() / 2, (r.box[1] + r.box[3]).item() / 2, row)
            for row, r in enumerate(records) if r.image.name == name
        ]  # fmt: skip
        grey(root / "imageFiles/downtown_test_00" / name, spots)
    for i, gender in enumerate(("neutral", "male", "female")):
        np.savez(tmp_path / f"{gender}.npz", **smpl(i))
        assets.register(f"smpl-{gender}", tmp_path / f"{gender}.npz")
    np.save(tmp_path / "J_regressor_h36m.npy", REGRESSOR)
    assets.register("h36m-regressor", tmp_path / "J_regressor_h36m.npy")
    monkeypatch.setattr(Meshes, "check_order", lambda self: None)  # a body of random numbers has no left hip
    rng = torch.Generator().manual_seed(0)
    pose = torch.stack([r.pose for r in records]) + 0.1 * torch.randn(9, 24, 3, generator=rng)
    joints = torch.stack([r.joints for r in records]) + 0.05 * torch.randn(9, 24, 3, generator=rng)
    return root, records, Oracle(pose, torch.randn(9, 10, generator=rng), joints)


def spoken(request: Request, oracle: Oracle) -> tuple[dict, str]:
    text = io.StringIO()
    result = measure(oracle, SETTINGS, request, Console(file=text, width=200))
    return result, text.getvalue()


def test_3dpw_by_spins_protocol_with_the_ground_truth_of_each_gender(data):
    root, records, oracle = data
    result, text = spoken(Request("3dpw", root), oracle)
    errors, aligned, vertices = [], [], []
    seeds = {"male": 1, "female": 2}
    assert {r.gender for r in records} == set(seeds)
    for row, record in enumerate(records):
        true = by_hand(seeds[record.gender], record.pose.flatten().numpy(), record.betas.numpy())
        ours = by_hand(0, oracle.pose[row].flatten().numpy(), oracle.betas[row].numpy())
        a, b = (REGRESSOR @ mesh for mesh in (ours, true))
        vertices.append(np.linalg.norm((ours - a[0]) - (true - b[0]), axis=1).mean())
        a, b = ((j - j[0])[protocols.LSP14] for j in (a, b))
        errors.append(np.linalg.norm(a - b, axis=1).mean())
        aligned.append(np.linalg.norm(similar(a, b) - b, axis=1).mean())
    for metric, values in (("mpjpe", errors), ("pa_mpjpe", aligned), ("pve", vertices)):
        assert result["all"][metric]["mean"] == pytest.approx(1000 * np.mean(values), abs=2e-3)
    assert result["all"]["mpjpe"]["count"] == len(records)
    assert result["left_out"] == {"camera": 2, "detection": 1}
    assert "protocol 3dpw/spin: 14 joints of SPIN's J_regressor_h36m" in text


def similar(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Umeyama's alignment, once more."""
    x, y = a - a.mean(0), b - b.mean(0)
    u, s, vt = np.linalg.svd(y.T @ x)
    flip = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    return (s * flip).sum() / (x**2).sum() * x @ (u * flip @ vt).T + b.mean(0)


def test_3dpw_challenge_compares_the_estimators_own_24_joints(data):
    root, records, oracle = data
    result, _ = spoken(Request("3dpw", root, protocol="3dpw/challenge"), oracle)
    a, b = oracle.joints - oracle.joints[:, :1], torch.stack([r.joints - r.joints[:1] for r in records])
    assert result["all"]["mpjpe"]["mean"] == pytest.approx(1000 * (a - b).norm(dim=-1).mean().item(), abs=1e-3)
    assert {"pck50", "auc_3dpw", "mpjae", "mpjae_pa"} <= set(result["all"])
    assert 0 < result["all"]["mpjae"]["mean"] < 40


@pytest.mark.parametrize("protocol", ["3dpw/spin", "3dpw/vibe", "3dpw/challenge", "3dpw/limbs"])
def test_figures_are_the_same_for_every_batch_and_number_of_workers(data, protocol):
    root, _, oracle = data
    results = [
        measure(oracle, SETTINGS, Request("3dpw", root, protocol=protocol, batch=batch, workers=workers))
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
    measure(placed, SETTINGS, Request("3dpw", root, protocol="3dpw/limbs", batch=4))
    judged = [r for r in records if any(torch.equal(r.box, box) for _, box, _ in placed.told)]
    assert len(judged) == len(placed.told) == len(records)
    for record, (picture, box, intrinsics) in zip(judged, placed.told, strict=True):
        assert picture.tolist() == [1080, 1920]
        torch.testing.assert_close(box, record.box)
        torch.testing.assert_close(intrinsics[0], record.intrinsics.float())
    assert placed.last[-1].item() == len(records)  # each crop with its own


def test_acceleration_is_of_frames_in_a_row(data):
    root, records, oracle = data
    result, _ = spoken(Request("3dpw", root, protocol="3dpw/vibe"), oracle)
    frames = [sorted(int(r.key.split("/")[1]) for r in records if r.key.endswith(f"/{p}")) for p in (0, 1)]
    triples = sum(b - a == 1 and c - b == 1 for f in frames for a, b, c in zip(f, f[1:], f[2:], strict=False))
    assert result["all"]["acceleration"]["count"] == triples > 0
    assert result["all"]["acceleration"]["mean"] > 0


def test_parts_of_the_dataset(data):
    root, _, oracle = data
    result, text = spoken(Request("3dpw", root, protocol="3dpw/limbs", by=("gender", "viewpoint")), oracle)
    parts = result["by"]["gender"]
    count = sum(p["mpjpe"]["count"] for p in parts.values())
    mean = sum(p["mpjpe"]["mean"] * p["mpjpe"]["count"] for p in parts.values()) / count
    assert (count, mean) == (9, pytest.approx(result["all"]["mpjpe"]["mean"]))
    assert {"viewpoint", "gender", "female"} <= set(text.split())
    oracle.seen = 0
    with pytest.raises(UsageError, match="broken down by 'actoin'"):
        spoken(Request("3dpw", root, protocol="3dpw/limbs", by=("actoin",)), oracle)
    assert oracle.seen == 1, "nobody is measured but the black crop"


def test_a_grouping_into_one_part_is_refused_below_the_figures(data):
    root, _, oracle = data
    text = io.StringIO()
    with pytest.raises(UsageError, match="broken down by 'sequence'"):
        measure(oracle, SETTINGS, Request("3dpw", root, by=("sequence",)), Console(file=text, width=200))
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
        "a body": (UsageError, "meshes, which this estimator does not give"),
        "smpl-neutral": (AssetError, "'smpl-neutral' is not registered"),
    }[lacks]
    with pytest.raises(error, match=message):
        measure(oracle, SETTINGS, Request(name, root, out=tmp_path / "out", agora_predictions=True))
    assert not (tmp_path / "out").exists()


def test_resume_repeats_no_part_and_ends_with_the_same(data, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "PART", 4)
    root, _, oracle = data
    whole = measure(oracle, SETTINGS, Request("3dpw", root, out=tmp_path / "whole", save_predictions=True))
    interrupted = Request("3dpw", root, out=tmp_path / "out", save_predictions=True)
    oracle.seen, oracle.stop_at = 0, 6
    with pytest.raises(KeyboardInterrupt):
        measure(oracle, SETTINGS, interrupted)
    oracle.seen, oracle.stop_at = 0, 10**9
    with pytest.raises(UsageError, match="not empty"):
        measure(oracle, SETTINGS, interrupted)
    resumed = Request("3dpw", root, out=tmp_path / "out", save_predictions=True, resume=True)
    result = measure(oracle, SETTINGS, resumed)
    assert oracle.seen == 9 - 4 + 1 + 1  # five people, and one look at what comes out each time
    for name in ("all", "by", "people"):
        assert result[name] == whole[name]
    with np.load(tmp_path / "out/predictions.npz") as a, np.load(tmp_path / "whole/predictions.npz") as b:
        assert set(a.files) == set(b.files)
        assert all((a[k] == b[k]).all() if a[k].dtype.kind in "US" else np.array_equal(a[k], b[k], equal_nan=True)
                   for k in a.files)  # fmt: skip
    assert not (tmp_path / "out/parts").exists()
    with pytest.raises(UsageError, match="another evaluation: protocol differ"):
        measure(oracle, SETTINGS, Request("3dpw", root, protocol="3dpw/limbs", out=tmp_path / "out", resume=True))


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
    measure(oracle, SETTINGS, Request("3dpw", root, out=tmp_path / "out", save_predictions=True))
    with np.load(tmp_path / "out/predictions.npz", allow_pickle=False) as archive:
        assert archive["key"].tolist() == [r.key for r in records]
        np.testing.assert_array_equal(archive["joints"], oracle.joints.numpy())
        np.testing.assert_array_equal(archive["pose"], oracle.pose.numpy())
        np.testing.assert_array_equal(archive["betas"], oracle.betas.numpy())
        assert archive["figure/mpjpe"].shape == (9,)
    result = json.loads((tmp_path / "out/result.json").read_text())
    assert result["protocol"] == "3dpw/spin"
    assert result["definition"] == protocols.find("3dpw/spin").definition


def test_a_part_of_a_dataset_is_not_called_the_protocols_number(data):
    root, _, oracle = data
    _, text = spoken(Request("3dpw", root, protocol="3dpw/limbs", limit=3), oracle)
    assert "the first 3 of 9: not the protocol's number" in text


def test_an_estimator_without_a_body_is_judged_by_the_limbs_and_that_is_said(data):
    root, _, oracle = data
    oracle.predict = lambda crop: Estimate(torch.zeros(len(crop), 33, 3))
    oracle.joint_set = "blazepose33"
    result, text = spoken(Request("3dpw", root), oracle)
    assert result["protocol"] == "3dpw/limbs"
    assert "Judged by 3dpw/limbs instead: not comparable with published numbers" in text
    assert "not an official number" in result["definition"]
    with pytest.raises(UsageError, match="3dpw/spin compares joints of h36m17; blazepose gives blazepose33") as caught:
        spoken(Request("3dpw", root, protocol="3dpw/spin"), oracle)
    assert "3dpw/limbs" in caught.value.hint


@pytest.mark.parametrize("missing", ["smpl-male", "h36m-regressor"])
def test_a_missing_licensed_file_is_named_with_the_command(data, monkeypatch, missing):
    root, _, oracle = data
    there = {name: entry for name, entry in assets.registered().items() if name != missing}
    monkeypatch.setattr(assets, "registered", lambda: there)
    with pytest.raises(AssetError, match=f"'{missing}' is not registered") as caught:
        spoken(Request("3dpw", root, protocol="3dpw/spin"), oracle)
    assert caught.value.hint == f"posegen assets set {missing} PATH"


def test_a_missing_picture_is_named(data):
    root, _, oracle = data
    (root / "imageFiles/downtown_test_00/image_00003.jpg").unlink()
    with pytest.raises(AssetError, match=r"image_00003\.jpg"):
        spoken(Request("3dpw", root, protocol="3dpw/limbs"), oracle)


def test_a_regressor_with_the_right_leg_first_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("POSEGEN_CONFIG_DIR", str(tmp_path / "config"))
    body = smpl(0)
    np.savez(tmp_path / "neutral.npz", **body)
    assets.register("smpl-neutral", tmp_path / "neutral.npz")
    left, right = body["v_template"][:, 0].argmax(), body["v_template"][:, 0].argmin()
    regressor = np.zeros((17, V))
    regressor[np.arange(17), right] = 1
    for name, first, second in (("spin", left, right), ("other", right, left)):
        regressor[[1, 4]] = 0
        regressor[1, first], regressor[4, second] = 1, 1
        np.save(tmp_path / f"{name}.npy", regressor)
    assets.register("h36m-regressor", tmp_path / "spin.npy")
    Meshes().check_order()
    assets.register("h36m-regressor", tmp_path / "other.npy")
    with pytest.raises(AssetError, match="right leg first"):
        Meshes().check_order()


@pytest.mark.parametrize("content", [np.ones((17, 5)), np.ones((3, 3)), np.array(["x"]), np.array([None])])
def test_a_file_that_is_no_regressor_is_named(tmp_path, content):
    np.save(tmp_path / "r.npy", content, allow_pickle=True)
    with pytest.raises(AssetError, match=r"r\.npy"):
        read_regressor(tmp_path / "r.npy")


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


@pytest.fixture
def crowd(tmp_path, monkeypatch):
    """AGORA with two people in each of four pictures, and an oracle that knows them."""
    monkeypatch.setenv("POSEGEN_CONFIG_DIR", str(tmp_path / "config"))
    people = Crowd()
    root = tmp_path / "agora"
    people.write(root)
    for name in dict.fromkeys(people.columns["imgPath"]):
        path = root / "validation" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (3840, 2160)).save(path, compress_level=1)
    np.savez(tmp_path / "neutral.npz", **smpl(0))
    assets.register("smpl-neutral", tmp_path / "neutral.npz")
    dataset = open_dataset("agora", "validation", root)
    records = list(dataset)
    rng = torch.Generator().manual_seed(0)
    missing = torch.zeros(24, 3)
    pose = torch.stack([missing if r.pose is None else r.pose for r in records])
    joints = torch.stack([r.joints for r in records]) + 0.05 * torch.randn(len(records), 24, 3, generator=rng)
    oracle = Oracle(pose, torch.zeros(len(records), 10), joints)
    order = iter(range(10**6))

    def in_order(crop):
        rows = torch.tensor([next(order) % len(records) for _ in crop])
        return Estimate(joints[rows], pose[rows, 1:], pose[rows, 0], oracle.betas[rows])

    oracle.predict = lambda crop: Estimate(joints[:1], pose[:1, 1:], pose[:1, 0], oracle.betas[:1])
    return root, records, oracle, in_order


def judged(root, oracle, in_order, **request):
    look, looks = oracle.predict, []

    def predict(crop):  # the first look only asks what comes out
        looks.append(len(crop))
        return look(crop) if len(looks) == 1 else in_order(crop)

    oracle.predict = predict
    return measure(oracle, SETTINGS, Request("agora", root, workers=0, **request))


def test_agora_with_crops_and_with_its_matching(crowd):
    root, records, oracle, in_order = crowd
    crops = judged(root, oracle, in_order, protocol="agora/crops")
    hips = [1, 2]
    a, b = ((j - j[:, hips].mean(1, keepdim=True)) for j in (oracle.joints, torch.stack([r.joints for r in records])))
    assert crops["all"]["mpjpe"]["mean"] == pytest.approx(1000 * (a - b).norm(dim=-1).mean().item(), abs=1e-2)
    adults = sum(r.betas is not None for r in records)
    assert crops["all"]["mve_full"]["count"] == adults < len(records)  # kids need a template that is not SMPL's
    assert set(crops["by"]) >= {"age", "occlusion", "viewpoint"}


def test_agora_official_rounds_as_the_tool_does(crowd, tmp_path):
    root, records, oracle, in_order = crowd
    result = judged(root, oracle, in_order, out=tmp_path / "out", agora_predictions=True)
    official = result["official"]
    assert result["protocol"] == "agora/official"
    assert official["matched"] + official["missed"] == len(records)
    assert official["nmje"] == pytest.approx(round(official["mpjpe"] / official["f1"], 1))
    assert "mve_full" in official
    with zipfile.ZipFile(tmp_path / "out/predictions.zip") as archive:
        names = archive.namelist()
        first = archive.read(names[0])
    stems = [Path(r.image).stem for r in records]
    expected = {f"predictions/{s}_personId_{i}.pkl" for s in set(stems) for i in range(stems.count(s))}
    assert set(names) == expected
    assert b"_core" not in first  # a name that older numpy does not have
    person = pickle.loads(first)
    assert person["joints"].shape == (24, 2)
    assert person["allSmplJoints3d"].shape == (24, 3)
    assert person["verts"].shape == (V, 3)
    box = records[0].box.numpy()
    low, high = person["joints"].min(0), person["joints"].max(0)
    assert max(high - low) == pytest.approx(max(box[2:] - box[:2]), rel=1e-4)


def test_3dpw_challenge_takes_the_frames_that_the_tool_takes(tmp_path):
    with np.load(ROOT / "tests/parity/data/metrics.npz") as archive:
        points, valid = archive["pw3d_valid_poses2d"], archive["pw3d_valid_campose"]
    content = sequence(1)
    content["poses2d"], content["campose_valid"] = [points], [valid]
    root = threedpw(tmp_path, {"golden": content})
    golden = json.loads((ROOT / "tests/parity/data/metrics.json").read_text())["results"]["pw3d_valid_indices"]
    assert [int(r.key.split("/")[1]) for r in ThreeDPW(root, "test")] == golden


def test_spins_3dhp_leaves_out_people_who_are_cut_off_and_the_official_one_does_not(tmp_path):
    records = list(open_dataset("3dhp", "test", write_test(tmp_path)))
    keep = protocols.find("3dhp/spin").keep
    assert [keep(r) for r in records].count(False) == 1
    assert protocols.find("3dhp/official").keep is None


def test_the_frontal_camera_of_h36m():
    keep = protocols.find("h36m/p2").keep
    assert [keep(Record("a/0", groups={"camera": c})) for c in ("60457274", "54138969")] == [True, False]
    with pytest.raises(UsageError, match="which took it"):
        keep(Record("a/0"))


def test_a_scan_tells_how_far_it_is(data):
    told = []
    open_dataset("3dpw", "test", data[0], lambda done, total: told.append((done, total)))
    assert told in ([], [(1, 1)])  # nothing to tell where the index is still good
    for path in (data[0] / "sequenceFiles/test").iterdir():
        path.touch()
    open_dataset("3dpw", "test", data[0], lambda done, total: told.append((done, total)))
    assert told[-1] == (1, 1)


def test_protocols_and_datasets_know_each_other():
    used = {name for entry in DATASETS.values() for name in entry.protocols}
    assert used == set(protocols.PROTOCOLS)
    for name, protocol in protocols.PROTOCOLS.items():
        assert protocol.name == name
        assert len(protocol.definition) > 40
    for entry in DATASETS.values():
        if entry.protocols:
            assert Abilities("coco17", body=False).satisfy(protocols.find(entry.protocols[-1]))
        module, _, name = entry.target.partition(":")
        assert isinstance(getattr(__import__(module, fromlist=[name]), name), type)


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
