"""Official checkpoints, written here as the official trainer saves them: nothing is dropped, nothing is run."""

from __future__ import annotations

import os

import h5py
import numpy as np
import pytest
import torch
from anerf_people import SMALL, balls
from posegen_anerf import rest_pose
from posegen_anerf.checkpoint import convert, read
from posegen_anerf.config import FieldConfig
from posegen_anerf.field import Field
from posegen_anerf.skeleton import UNIT
from posegen_anerf.sources import open_subject, subject_file
from posegen_anerf.subject import NerfSubject

from posegen import assemble, assets, config
from posegen.errors import AssetError, UsageError

CONFIG = FieldConfig(width=16, view_width=8, framecode_size=4, framecodes=6)
REST = rest_pose.surreal() * UNIT


@pytest.fixture(autouse=True)
def own_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("POSEGEN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("POSEGEN_CONFIG_DIR", str(tmp_path / "config"))


def network(config, seed):
    state = Field(config).initialise(torch.Generator().manual_seed(seed)).state_dict()
    return {k: v for k, v in state.items() if k not in ("tau", "cutoff_dist")}


def official(config=CONFIG, same=False, **changes):
    """The dictionary of ``save_nerf``; ``changes`` replace entries, None removes one."""
    weights = network(config, 0)
    parameters = [torch.nn.Parameter(v) for v in weights.values()]
    adam = torch.optim.Adam(parameters, lr=5e-4)
    sum(p.sum() for p in parameters).backward()
    adam.step()
    embed = {"cutoff_dist": torch.full((24,), 0.5), "tau": torch.tensor(79.6)}
    content = {
        "global_step": 150_000,
        "optimizer_state_dict": adam.state_dict(),
        "poseopt_layer_state_dict": None,
        "pose_optimizer_state_dict": None,
        "poseopt_anchors": None,
        "network_fn_state_dict": weights,
        "network_fine_state_dict": weights if same else network(config, 1),
        "embed_state_dict": dict(embed),
        "embedbones_state_dict": {},
        "embeddirs_state_dict": dict(embed),
    } | changes
    return {k: v for k, v in content.items() if v is not None or k.startswith("pose")}


def poses(rest=REST, **more):
    n = 3
    return {"rest_pose": rest[None], "pelvis": torch.zeros(n, 3), "bones": torch.zeros(n, 24, 6), **more}


def saved(tmp_path, content, name="surreal.tar", **how):
    path = tmp_path / name
    torch.save(content, path, **how)
    return path


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "torch 1.5"])
def test_an_official_checkpoint(tmp_path, zipped):
    content = official()
    path = saved(tmp_path, content, _use_new_zipfile_serialization=zipped)
    subject = read(path)
    for field, name in ((subject.coarse, "network_fn_state_dict"), (subject.fine, "network_fine_state_dict")):
        state = field.state_dict()
        assert state.pop("tau") == torch.tensor(79.6)
        assert state.pop("cutoff_dist").equal(torch.full((24,), 0.5))
        assert state.keys() == content[name].keys()
        assert all(state[key].equal(content[name][key]) for key in state)
    assert subject.config == CONFIG
    assert subject.body == "smpl"
    assert subject.rest_joints.equal(rest_pose.surreal())
    assert subject.source == {
        "file": "surreal.tar", "kind": "official checkpoint", "rest pose": "SURREAL's", "steps": "150000",
    }  # fmt: skip


@pytest.mark.parametrize(
    "config",
    [
        FieldConfig(width=16, view_width=8),
        FieldConfig(width=24, depth=6, skip=2, view_width=8, multires=5, multires_views=3),
        FieldConfig(width=16, depth=3, skip=3, view_width=8, multires=0, multires_views=1),
        FieldConfig(width=16, view_width=8, multires_views=0, single=True, samples=96, importance=48),
    ],
)
def test_the_architecture_is_recovered_from_the_shapes(tmp_path, config):
    assert read(saved(tmp_path, official(config))).config == config


def test_one_network_in_both_containers_is_the_single_one(tmp_path):
    """And where they differ but settings say single, the fine one is used, as the official loading order has it."""
    config = read(saved(tmp_path, official(same=True))).config
    assert (config.single, config.samples, config.importance) == (True, 96, 48)
    (tmp_path / "args.txt").write_text("single_net = True\nN_samples = 32\nN_importance = 8\n")
    content = official()
    subject = read(saved(tmp_path, content))
    assert subject.coarse is None
    assert subject.fine.alpha_linear.bias.equal(content["network_fine_state_dict"]["alpha_linear.bias"])
    assert (subject.config.samples, subject.config.importance) == (32, 8)


def test_settings_beside_the_checkpoint(tmp_path):
    (tmp_path / "args.txt").write_text(
        "N_importance = 24\nN_samples = 48\nconfig = configs/a = b.txt\ndensity_scale = 2.0\ndensity_type = relu\n"
        "single_net = False\nuse_cutoff = True\n"
    )
    config = read(saved(tmp_path, official(same=True))).config
    assert (config.samples, config.importance, config.density_scale, config.single) == (48, 24, 2.0, False)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("density_type = softplus", "density_type = softplus"),
        ("use_cutoff = False", "use_cutoff = False"),
        ("kp_dist_type = cat", "kp_dist_type = cat"),
        ("multires_bones = 4", "multires_bones = 4"),
        ("N_samples = many", "impossible samples"),
        ("N_importance = 0", "impossible importance"),
    ],
)
def test_settings_that_cannot_be_drawn(tmp_path, line, said):
    (tmp_path / "args.txt").write_text(line + "\n")
    with pytest.raises(AssetError, match=said):
        read(saved(tmp_path, official()))


def without(state, key):
    return {k: v for k, v in state.items() if k != key}


FINE = network(CONFIG, 1)
EMBED = {"cutoff_dist": torch.full((24,), 0.5), "tau": torch.tensor(79.6)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"network_fine_state_dict": None}, "lacks the key 'network_fine_state_dict'"),
        ({"embed_state_dict": None}, "lacks the key 'embed_state_dict'"),
        ({"networkfine_state_dict": {}}, "unexpected key 'networkfine_state_dict'\nhint: did you mean 'network_fine"),
        ({"network_fine_state_dict": [1]}, "'network_fine_state_dict' that is no dictionary of tensors"),
        (
            {"network_fine_state_dict": without(FINE, "rgb_linear.bias")},
            "lacks the key 'network_fine_state_dict.rgb_linear.bias'",
        ),
        (
            {"network_fine_state_dict": FINE | {"rgb_linearr.bias": torch.zeros(3)}},
            "unexpected key 'network_fine_state_dict.rgb_linearr.bias'\nhint: did you mean 'rgb_linear.bias'",
        ),
        (
            {"network_fn_state_dict": FINE | {"rgb_linear.bias": torch.zeros(4)}},
            r"'network_fn_state_dict.rgb_linear.bias' of shape \(4,\), where \(3,\)",
        ),
        (
            {"network_fine_state_dict": FINE | {"pts_linears.2.weight": torch.zeros(16, 17)}},
            r"'network_fine_state_dict.pts_linears.2.weight' of shape \(16, 17\)",
        ),
        (
            {"network_fine_state_dict": FINE | {"pts_linears.0.weight": torch.zeros(16, 433)}},
            "'pts_linears.0.weight' for 361 inputs",
        ),
        (
            {"network_fine_state_dict": FINE | {"views_linears.0.weight": torch.zeros(8, 100)}},
            "'views_linears.0.weight' for 80 inputs",
        ),
        (
            {"network_fine_state_dict": FINE | {"alpha_linear.bias": torch.tensor([torch.nan])}},
            "values in 'network_fine_state_dict.alpha_linear.bias' that are not finite",
        ),
        ({"embed_state_dict": without(EMBED, "tau")}, "no key 'embed_state_dict.tau'"),
        ({"embeddirs_state_dict": EMBED | {"mean": torch.ones(1)}}, "unexpected key 'embeddirs_state_dict.mean'"),
        ({"embeddirs_state_dict": EMBED | {"tau": torch.tensor(20.0)}}, "another 'tau' for distances than for views"),
        ({"embedbones_state_dict": {"tau": torch.ones(1)}}, "'embedbones_state_dict'"),
        ({"poseopt_layer_state_dict": poses(code=torch.ones(1))}, "unexpected key 'poseopt_layer_state_dict.code'"),
        (
            {"poseopt_layer_state_dict": without(poses(), "rest_pose")},
            "lacks the key 'poseopt_layer_state_dict.rest_pose'",
        ),
    ],
)
def test_every_key_is_accounted_for(tmp_path, changes, said):
    path = saved(tmp_path, official(**changes))
    with pytest.raises(AssetError, match=said) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_numpy_in_states_and_anchors(tmp_path):
    anchors = {"kps": np.zeros((3, 24, 3), np.float32), "beta": torch.zeros(1, 10), "step": np.float64(1.0)}
    read(saved(tmp_path, official(poseopt_anchors=anchors)))


class Runs:
    """Unpickling this writes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def test_nothing_in_a_checkpoint_is_run(tmp_path):
    marker = tmp_path / "marker"
    for where in ({"global_step": Runs(marker)}, {"poseopt_anchors": {"kps": Runs(marker)}}):
        with pytest.raises(AssetError, match=r"refused, the file asks for '\w+\.system', which is not data"):
            read(saved(tmp_path, official(**where)))
    assert not marker.exists()


def test_files_that_are_no_checkpoints(tmp_path):
    path = tmp_path / "surreal.tar"
    with pytest.raises(AssetError, match="cannot be read: No such file"):
        read(path)
    saved(tmp_path, official())
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], content[:-100], b"", b"<html>log in</html>", b"\x80\x02}q\x00."):
        path.write_bytes(damaged)
        with pytest.raises(AssetError, match=str(path)):
            read(path)
    with pytest.raises(AssetError, match="holds a list"):
        read(saved(tmp_path, [1, 2]))


def test_the_rest_pose_of_the_pose_layer(tmp_path):
    mine = REST * 1.1
    subject = read(saved(tmp_path, official(poseopt_layer_state_dict=poses(mine))))
    torch.testing.assert_close(subject.rest_joints, mine / UNIT)
    assert subject.source["rest pose"] == "pose layer"


def test_poses_refined_in_2021_stand_along_another_axis(tmp_path):
    """Their rest pose (x,y,z) means (x,-z,y)."""
    legacy = torch.stack([REST[:, 0], REST[:, 2], -REST[:, 1]], dim=-1)
    path = saved(tmp_path, {"global_step": 1, "poseopt_layer_state_dict": poses(legacy)}, "poses.tar")
    torch.testing.assert_close(rest_pose.read(path), rest_pose.surreal())
    torch.testing.assert_close(read(saved(tmp_path, official()), path).rest_joints, rest_pose.surreal())


def test_networks_that_learned_on_bones_of_2021_are_refused(tmp_path):
    """The rest pose can be turned; what the networks were shown of bones cannot."""
    legacy = torch.stack([REST[:, 0], REST[:, 2], -REST[:, 1]], dim=-1)
    path = saved(tmp_path, official(poseopt_layer_state_dict=poses(legacy)))
    for given in (None, written(tmp_path, ".npz", REST.numpy())):
        with pytest.raises(AssetError, match="rest pose along z, as in 2021"):
            read(path, given)


def written(tmp_path, suffix, rest):
    path = tmp_path / f"rest{suffix}"
    if suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["rest_pose"] = rest
    elif suffix == ".npz":
        np.savez(path, rest_pose=rest)
    else:
        np.save(path, rest)
    return path


@pytest.mark.parametrize("suffix", [".h5", ".npz", ".npy"])
def test_the_rest_pose_from_a_file(tmp_path, suffix):
    """Before the pose layer's, and moved so that the pelvis is the origin."""
    mine = (REST * 1.1 + torch.tensor([0.0, 0.1, 0.0])).numpy()
    path = saved(tmp_path, official(poseopt_layer_state_dict=poses()))
    subject = read(path, written(tmp_path, suffix, mine))
    torch.testing.assert_close(subject.rest_joints, rest_pose.surreal() * 1.1, atol=1e-6, rtol=0)
    assert subject.source["rest pose"] == f"rest{suffix}"


def test_someone_else_is_not_drawn_on_the_subjects_skeleton(tmp_path):
    """``renderer.rest_pose`` is of the run's subject; the others of a run have their own, or SURREAL's."""
    first, second = (saved(tmp_path, official(), f"{name}.tar") for name in ("a", "b"))
    rest = written(tmp_path, ".npz", (REST * 1.1).numpy())
    given = ["estimator=hybrik", f"renderer.subject={first}", f"renderer.rest_pose={rest}"]
    made = assemble.assemble(config.load(assignments=given).settings)
    torch.testing.assert_close(made.renderer.body.rest_joints, rest_pose.surreal() * 1.1, atol=1e-6, rtol=0)
    torch.testing.assert_close(made.person(str(second)).body.rest_joints, rest_pose.surreal(), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        (np.zeros((23, 3), np.float32), r"'rest_pose' of shape \(23, 3\)"),
        (np.full((24, 3), np.nan, np.float32), "24 finite joints"),
        (REST.numpy() * 1000, "m from feet to head"),
        (REST.numpy() * [1, -1, 1], "m from feet to head"),
        (np.stack([REST.numpy(), REST.numpy() * 1.1]), "of one person"),
    ],
)
def test_rest_poses_that_are_none(tmp_path, rest, said):
    with pytest.raises(AssetError, match=said):
        rest_pose.read(written(tmp_path, ".npz", rest))


def test_rest_pose_files_that_cannot_be_read(tmp_path):
    for name, said in (("no.h5", "does not exist"), ("no.npz", "does not exist"), ("a.txt", "cannot hold")):
        with pytest.raises(AssetError, match=said):
            rest_pose.read(tmp_path / name)
    for name, said in (
        ("a.h5", "no HDF5 file"),
        ("a.npz", "no readable 'rest_pose'"),
        ("a.npy", "no readable 'rest_pose'"),
    ):
        (tmp_path / name).write_bytes(b"nothing")
        with pytest.raises(AssetError, match=said):
            rest_pose.read(tmp_path / name)
    np.savez(tmp_path / "b.npz", other=REST.numpy())
    with pytest.raises(AssetError, match="no readable 'rest_pose'"):
        rest_pose.read(tmp_path / "b.npz")
    with pytest.raises(AssetError, match="holds no refined poses"):
        rest_pose.read(saved(tmp_path, official()))


def test_a_checkpoint_is_converted_once(tmp_path, monkeypatch):
    path = saved(tmp_path, official())
    kept = convert(path)
    assert kept.parent == tmp_path / "cache" / "anerf"
    subject = NerfSubject.load(kept)
    assert subject.fine.alpha_linear.weight.equal(read(path).fine.alpha_linear.weight)
    with monkeypatch.context() as patch:
        patch.setattr("posegen_anerf.checkpoint.read", lambda *a: pytest.fail("read again"))
        assert convert(path) == kept
    kept.write_bytes(b"damaged")
    assert convert(path) == kept and NerfSubject.load(kept).config == CONFIG


def test_a_conversion_follows_its_files(tmp_path):
    path = saved(tmp_path, official())
    first = convert(path)
    (tmp_path / "args.txt").write_text("N_samples = 48\n")
    second = convert(path)
    third = convert(path, written(tmp_path, ".npz", REST.numpy() * 1.1))
    os.utime(path, ns=(1, 1))
    assert len({first, second, third, convert(path)}) == 4
    assert NerfSubject.load(second).config.samples == 48


def test_margins_are_found_once_and_kept_with_the_conversion(tmp_path, monkeypatch):
    """A file of the user's is not written to."""
    made = balls(SMALL)
    state = {k: v for k, v in made.state_dict().items() if k not in ("tau", "cutoff_dist")}
    embed = {"cutoff_dist": made.cutoff_dist, "tau": made.tau}
    networks = {"network_fn_state_dict": state, "network_fine_state_dict": state}
    path = saved(tmp_path, official(**networks, embed_state_dict=embed, embeddirs_state_dict=embed))
    assert open_subject(str(path)).margins is None
    found = open_subject(str(path), calibrated=True).margins
    assert found.numel() > 24 and 0.05 < float(found.max()) < 1
    mine = NerfSubject.load(convert(path))
    assert mine.margins.equal(found)
    mine.margins = None
    mine.save(tmp_path / "mine.safetensors")
    before = (tmp_path / "mine.safetensors").read_bytes()
    assert open_subject(str(tmp_path / "mine.safetensors"), calibrated=True).margins.equal(found)
    assert (tmp_path / "mine.safetensors").read_bytes() == before
    monkeypatch.setattr("posegen_anerf.fast.calibrate.calibrate", lambda subject: pytest.fail("looked for again"))
    assert open_subject(str(path), calibrated=True).margins.equal(found)


def test_where_subjects_are_found(tmp_path):
    path = saved(tmp_path, official())
    assert open_subject(str(path)).source["file"] == "surreal.tar"
    assert subject_file(str(tmp_path / "mine.safetensors")) == tmp_path / "mine.safetensors"
    with pytest.raises(AssetError, match="not registered"):
        open_subject("anerf-checkpoint")
    assets.register("anerf-checkpoint", path)
    assert open_subject("anerf-checkpoint").source["file"] == "surreal.tar"
    with pytest.raises(UsageError, match="no subject 's00'\nhint: did you mean 's0'"):
        open_subject("s00")
    with pytest.raises(UsageError, match="rest_pose is for official"):
        open_subject("s0", tmp_path / "rest.h5")
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(AssetError, match="is no subject"):
        open_subject(str(tmp_path / "a.png"))
