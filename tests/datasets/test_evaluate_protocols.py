"""The protocols of ``evaluate --dataset``: from files on disk to the figures, against what smplx and numpy say."""

import json
import pickle
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch

from posegen import assets
from posegen.datasets.records import Record
from posegen.datasets.registry import DATASETS, open_dataset
from posegen.datasets.sources import Source
from posegen.datasets.threedpw import ThreeDPW
from posegen.errors import AssetError, UsageError
from posegen.scoring import protocols
from posegen.scoring.meshes import Meshes, read_regressor
from posegen.scoring.sides import Abilities
from posegen.scoring.stage import Request, measure

from .fixtures_evaluate import REGRESSOR, SETTINGS, V, grey, people_of_3dpw, people_of_agora, smpl, spoken
from .fixtures_h36m import spin
from .fixtures_mpi_inf_3dhp import write_test
from .fixtures_threedpw import sequence, threedpw

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data(tmp_path, monkeypatch):
    return people_of_3dpw(tmp_path, monkeypatch)


@pytest.fixture
def crowd(tmp_path, monkeypatch):
    return people_of_agora(tmp_path, monkeypatch)


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


def test_3dpw_by_spins_protocol_with_the_ground_truth_of_each_gender(data):
    root, records, oracle = data
    result, text = spoken(Request(Source("3dpw", root)), oracle)
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
    result, _ = spoken(Request(Source("3dpw", root), protocol="3dpw/challenge"), oracle)
    a, b = oracle.joints - oracle.joints[:, :1], torch.stack([r.joints - r.joints[:1] for r in records])
    assert result["all"]["mpjpe"]["mean"] == pytest.approx(1000 * (a - b).norm(dim=-1).mean().item(), abs=1e-3)
    assert {"pck50", "auc_3dpw", "mpjae", "mpjae_pa"} <= set(result["all"])
    assert 0 < result["all"]["mpjae"]["mean"] < 40


def test_vibes_ground_truth_is_of_the_neutral_body(data):
    root, records, oracle = data
    result, text = spoken(Request(Source("3dpw", root), protocol="3dpw/vibe"), oracle)
    errors = []
    for row, record in enumerate(records):
        people = ((oracle.pose[row], oracle.betas[row]), (record.pose, record.betas))
        joints = (REGRESSOR @ by_hand(0, pose.flatten().numpy(), betas.numpy()) for pose, betas in people)
        a, b = ((j - j[[1, 4]].mean(0))[protocols.LSP14] for j in joints)  # the hips of h36m17
        errors.append(np.linalg.norm(a - b, axis=1).mean())
    assert {r.gender for r in records} == {"male", "female"}
    assert result["all"]["mpjpe"]["mean"] == pytest.approx(1000 * np.mean(errors), abs=2e-3)
    assert "of the neutral SMPL mesh, whatever the person's gender" in text


def test_acceleration_is_of_frames_in_a_row(data):
    root, records, oracle = data
    result, _ = spoken(Request(Source("3dpw", root), protocol="3dpw/vibe"), oracle)
    frames = [sorted(int(r.key.split("/")[1]) for r in records if r.key.endswith(f"/{p}")) for p in (0, 1)]
    triples = sum(b - a == 1 and c - b == 1 for f in frames for a, b, c in zip(f, f[1:], f[2:], strict=False))
    assert result["all"]["acceleration"]["count"] == triples > 0
    assert result["all"]["acceleration"]["mean"] > 0


def test_3dpw_challenge_takes_the_frames_that_the_tool_takes(tmp_path):
    with np.load(ROOT / "tests/parity/data/metrics.npz") as archive:
        points, valid = archive["pw3d_valid_poses2d"], archive["pw3d_valid_campose"]
    content = sequence(1)
    content["poses2d"], content["campose_valid"] = [points], [valid]
    root = threedpw(tmp_path, {"golden": content})
    golden = json.loads((ROOT / "tests/parity/data/metrics.json").read_text())["results"]["pw3d_valid_indices"]
    assert [int(r.key.split("/")[1]) for r in ThreeDPW(root, "test")] == golden


def judged(root, oracle, in_order, **request):
    look, looks = oracle.predict, []

    def predict(crop):  # the first look only asks what comes out
        looks.append(len(crop))
        return look(crop) if len(looks) == 1 else in_order(crop)

    oracle.predict = predict
    return measure(oracle, SETTINGS, Request(Source("agora", root), workers=0, **request))


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


@pytest.mark.parametrize(
    ("protocol", "missing"),
    [("h36m/p1", "only frames of camera 60457274"), ("h36m/limbs", "only frames of camera 60457274"), ("h36m/p2", "")],
)
def test_the_frontal_cameras_file_is_the_whole_split_of_p2_alone(data, tmp_path, protocol, missing):
    _, _, oracle = data
    root = spin(tmp_path / "h36m", "h36m_valid_protocol2.npz")
    for record in open_dataset("h36m", "test", root):
        grey(record.image, [(record.box[[0, 2]].mean().item(), record.box[[1, 3]].mean().item(), 0)])
    result, text = spoken(Request(Source("h36m", root), protocol=protocol), oracle)
    assert result["incomplete"] == missing
    assert ("(only frames of camera 60457274 are there: not the protocol's number)" in text) == bool(missing)


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
