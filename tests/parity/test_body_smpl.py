"""Body against smplx's SMPL, on a full-size synthetic model file and on numbers that smplx printed elsewhere."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from posegen.body import PARENTS, load_body
from posegen.geometry import rotvec_to_rotmat

V, F = 6890, 13776
# fmt: off
REST = np.array([
    [0, 0, 0], [.07, -.09, 0], [-.07, -.09, 0], [0, .11, -.02], [.1, -.47, 0], [-.1, -.47, 0], [0, .25, -.01],
    [.09, -.87, -.04], [-.09, -.87, -.04], [0, .30, .01], [.12, -.93, .08], [-.12, -.93, .08], [0, .52, -.03],
    [.08, .43, -.02], [-.08, .43, -.02], [0, .60, .02], [.18, .45, -.03], [-.18, .45, -.03], [.44, .43, -.05],
    [-.44, .43, -.05], [.69, .44, -.05], [-.69, .44, -.05], [.77, .43, -.06], [-.77, .43, -.06],
])
LEAVES = ((411, 15, (0, .2, .02)), (2445, 22, (.1, 0, 0)), (5905, 23, (-.1, 0, 0)), (3216, 10, (0, -.02, .1)),
          (6617, 11, (0, -.02, .1)))
# fmt: on
SMPLX_POINTS = {"nose": 24, "right_eye": 25, "left_eye": 26, "right_ear": 27, "left_ear": 28}


def synthetic_smpl(seed: int = 3000) -> tuple[dict, np.ndarray]:
    """A model in SMPL's sizes with none of SMPL's numbers, and a (17,V) regressor; RandomState's stream is frozen."""
    random = np.random.RandomState(seed)
    owner = np.arange(V) % 24
    template = REST[owner] + 0.03 * random.standard_normal((V, 3))
    for vertex, parent, offset in LEAVES:
        template[vertex] = REST[parent] + np.array(offset)
    shapedirs = 0.01 * random.standard_normal((V, 3, 10))
    posedirs = 0.001 * random.standard_normal((V, 3, 207))
    regressor = np.zeros((24, V))
    for j in range(24):
        regressor[j, np.flatnonzero(owner == j)[:40]] = 1 / 40
    weights = np.zeros((V, 24))
    weights[np.arange(V), owner] = 0.8
    weights[np.arange(V), np.maximum(np.array(PARENTS)[owner], 0)] += 0.2
    faces = random.randint(0, V, (F, 3)).astype(np.uint32)
    h36m, random = np.zeros((17, V)), np.random.RandomState(seed + 1)
    for j in range(17):
        vertices, share = random.choice(V, 6, replace=False), random.random_sample(6)
        h36m[j, vertices] = share / share.sum()
    kintree = np.stack([np.array(PARENTS) % 2**32, np.arange(24)]).astype(np.uint32)
    model = {"v_template": template, "shapedirs": shapedirs, "posedirs": posedirs, "J_regressor": regressor,
             "weights": weights, "kintree_table": kintree, "f": faces}  # fmt: skip
    return model, h36m


@pytest.fixture(scope="module")
def golden():
    with np.load(Path(__file__).parent / "data/smpl.npz") as archive:
        return {key: torch.from_numpy(archive[key]) for key in archive.files}


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    model, h36m = synthetic_smpl()
    path = tmp_path_factory.mktemp("smpl") / "SMPL_NEUTRAL.pkl"
    path.write_bytes(pickle.dumps(model, 2))
    return path, h36m


@pytest.fixture(scope="module")
def bodies(golden, model_file):
    """One body a sample: the golden's three samples have three shapes."""
    path, h36m = model_file
    return [load_body(path, betas, regressors={"h36m17": h36m}) for betas in golden["betas"]]


def turned(points, golden, i):
    """Our root never turns; the golden's does, about the pelvis."""
    root = rotvec_to_rotmat(golden["aa"][i : i + 1, :3])
    return (points @ root.transpose(1, 2))[0]


def test_vertices(bodies, golden):
    for i, body in enumerate(bodies):
        vertices = body.vertices(golden["aa"][i, 3:].reshape(1, 23, 3))[:, ::10]
        pelvis = golden["joints45"][i, 0]
        torch.testing.assert_close(turned(vertices, golden, i), golden["vertices"][i] - pelvis, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("joint_set", "key", "rows"),
    [("smpl24", "joints45", list(range(24))), ("h36m17", "j17", None), ("lsp14", "j14", None)],
)
def test_joints(bodies, golden, joint_set, key, rows):
    for i, body in enumerate(bodies):
        joints = turned(body.joints(golden["aa"][i, 3:].reshape(1, 23, 3), joint_set=joint_set), golden, i)
        expected = golden[key][i] if rows is None else golden[key][i, rows]
        # the golden's origins differ: compare both from their own mean
        torch.testing.assert_close(joints - joints.mean(0), expected - expected.mean(0), rtol=0, atol=1e-5)


def test_landmarks_are_smplx_extra_joints(bodies, golden):
    for i, body in enumerate(bodies):
        names = body.joint_set("coco17").joints
        joints = turned(body.joints(golden["aa"][i, 3:].reshape(1, 23, 3), joint_set="coco17"), golden, i)
        expected = golden["joints45"][i] - golden["joints45"][i, 0]
        for name, row in SMPLX_POINTS.items():
            torch.testing.assert_close(joints[names.index(name)], expected[row], rtol=0, atol=1e-5)


@pytest.mark.parametrize("joint_set", ["smpl24", "coco17", "h36m17", "lsp14"])
def test_joints_are_the_regressor_applied_to_the_vertices_of_smplx(model_file, joint_set, capsys):
    import smplx

    path, h36m = model_file
    generator = torch.Generator().manual_seed(0)
    pose, betas = torch.randn(4, 23, 3, generator=generator), torch.randn(10, generator=generator)
    model = smplx.SMPL(str(path), batch_size=4)
    out = model(body_pose=pose.reshape(4, 69), betas=betas.expand(4, 10), global_orient=torch.zeros(4, 3))
    capsys.readouterr()  # what smplx printed
    pelvis = out.joints[:, :1]
    body = load_body(path, betas, regressors={"h36m17": h36m})
    joints = body.joints(pose, joint_set=joint_set)
    if joint_set in ("smpl24", "coco17"):
        table = {name: row for row, name in enumerate(body.joint_set("smpl24").joints)} | SMPLX_POINTS
        expected = out.joints[:, [table[name] for name in body.joint_set(joint_set).joints]] - pelvis
    else:
        rows = range(17) if joint_set == "h36m17" else [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10]
        expected = torch.from_numpy(h36m).float()[list(rows)] @ (out.vertices - pelvis)
    torch.testing.assert_close(joints, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(body.vertices(pose), out.vertices - pelvis, rtol=0, atol=1e-5)
