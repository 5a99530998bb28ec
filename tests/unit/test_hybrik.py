"""HybrIK as an estimator: its axes, its camera, its variants, and its checkpoints in and out."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from posegen_hybrik.estimator import Hybrik
from posegen_hybrik.lifting import EXTENT, depth_by_size, lift, scale_at
from posegen_hybrik.network import HybrikNet, Seen
from posegen_hybrik.open_body import open_skeleton
from posegen_hybrik.solve import solve
from posegen_hybrik.variant import COMPACT, HRNET48_CAM, RES34, RES34_24, RES34_CAM, Variant, recognise
from posegen_starter.body import OpenBody
from torch import Tensor

from posegen import assets
from posegen.errors import AssetError, UsageError
from posegen.geometry import from_spherical, rotmat_to_rotvec, rotvec_to_rotmat, square, view_rotation


@pytest.fixture(autouse=True)
def no_assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSEGEN_CONFIG_DIR", str(tmp_path / "config"))


def official_state(variant: Variant) -> dict[str, Tensor]:
    """The published layout with random weights, and a body of random vertices around the open skeleton."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = HybrikNet(variant).state_dict()
        state["smpl.v_template"].normal_(std=0.3)
    joints = torch.arange(24)
    state["smpl.v_template"][:24] = open_skeleton()[0][:24]
    state["smpl.J_regressor"][joints, joints] = 1
    state["smpl.lbs_weights"][:, 0] = 1
    state["smpl.J_regressor_h36m"][:, 0] = 1
    return state


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the released camera checkpoint of ResNet-34: a bare ordered dictionary, without decsigma."""
    path = tmp_path_factory.mktemp("hybrik") / "pretrained_w_cam.pth"
    state = {k: v for k, v in official_state(RES34_CAM).items() if not k.startswith("decsigma.")}
    torch.save(OrderedDict(state), path)
    return path


def untrained(**options: object) -> Hybrik:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Hybrik(Hybrik.Options.model_validate({"weights": "untrained", **options}))


def pictures(n: int, size: int) -> Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(1))


def seen_of(joints: Tensor, depth: Tensor, phi: Tensor) -> Seen:
    """What a faultless network sees of joints (N,J,3), in camera axes and the pelvis on the axis, at this depth."""
    place = joints[..., :2] / (EXTENT * (joints[..., 2:] + depth[:, None, None]))
    uvd = torch.cat([place, joints[..., 2:] / COMPACT.depth_factor], dim=-1)
    return Seen(uvd, torch.zeros(len(joints), 10), phi, scale_at(depth)[:, None], None, None)


def test_a_known_pose_comes_back_in_the_conventions_of_posegen() -> None:
    """What a faultless network sees becomes the body's joints in camera axes, theta, and the view's rotation."""
    from posegen_hybrik import ik

    body = OpenBody(OpenBody.Options()).body()
    rng = torch.Generator().manual_seed(2)
    theta = 0.4 * torch.randn(4, 23, 3, generator=rng)
    theta[:, [9, 10, 14, 21, 22]] = 0  # the ends show in the leaves alone, which are not built here
    view = from_spherical(torch.tensor([0.3, -2.0, 1.0, 3.0]), torch.tensor([0.2, 0.9, -0.7, 0.0]))
    joints, root = body.joints(theta, view), view_rotation(view)
    rotations = torch.cat([root[:, None], rotvec_to_rotmat(theta)], dim=1)
    template = open_skeleton()[0]
    phi = ik.twists(rotations, template.expand(4, -1, -1))
    tips = joints[:, [15, 22, 23, 10, 11]] + _carried(body.frames(theta), root, template)
    network = untrained().module
    solved = solve(network, seen_of(torch.cat([joints, tips], 1), torch.full((4,), 3.0), phi), official=False)
    torch.testing.assert_close(solved.skeleton[:, :24], joints, rtol=0, atol=1e-4)
    torch.testing.assert_close(solved.rotations, rotations, rtol=0, atol=1e-3)
    torch.testing.assert_close(solved.root, torch.tensor([0.0, 0.0, 3.0]).expand(4, 3), rtol=0, atol=1e-4)
    torch.testing.assert_close(rotmat_to_rotvec(solved.rotations[:, 1:]), theta, rtol=0, atol=1e-3)


def _carried(frames: Tensor, root: Tensor, template: Tensor) -> Tensor:
    """The five leaves from their joints, in camera axes."""
    parents = [15, 22, 23, 10, 11]
    out = (template[24:] - template[parents])[None, ..., None]
    return (root[:, None] @ frames[:, parents, :3, :3] @ out)[..., 0]


def test_the_camera_projects_the_pelvis_to_where_it_was_seen() -> None:
    hybrik = untrained()
    crops = pictures(3, 128)
    estimate, solved = hybrik.predict(crops), hybrik.solve(crops)
    assert estimate.camera is not None
    pelvis = estimate.camera[:, :1] * estimate.camera[:, 1:]  # the joints' origin is the pelvis
    torch.testing.assert_close(pelvis, 2 * solved.seen.uvd[:, 0, :2], rtol=0, atol=1e-5)


@pytest.mark.parametrize("aside", [0.0, 1.5])
def test_without_a_camera_the_pelvis_is_where_the_skeleton_has_the_bodys_size(aside: float) -> None:
    body = OpenBody(OpenBody.Options()).body()
    theta = 0.3 * torch.randn(5, 23, 3, generator=torch.Generator().manual_seed(0))
    joints = body.joints(theta, from_spherical(torch.linspace(-3, 3, 5), torch.linspace(-1, 1, 5)))
    depth = torch.tensor([2.0, 3.0, 5.0, 8.0, 20.0])
    uvd = seen_of(joints, depth, torch.zeros(5, 23, 2)).uvd
    centre = torch.tensor([[aside, -aside / 2]]).expand(5, 2)
    seen = torch.cat([uvd[..., :2] - centre[:, None], uvd[..., 2:]], dim=-1)  # in a crop aside of the picture's middle
    rest = body.rest_joints.expand(5, -1, -1)
    found = depth_by_size(seen, rest, COMPACT.depth_factor, centre)
    torch.testing.assert_close(found, depth, rtol=1e-3, atol=0)
    torch.testing.assert_close(lift(seen, found, COMPACT.depth_factor, centre).skeleton, joints, rtol=0, atol=2e-3)
    point = torch.zeros(1, 24, 3, requires_grad=True)
    depth_by_size(point, rest[:1], COMPACT.depth_factor).sum().backward()
    assert point.grad is not None and torch.isfinite(point.grad).all()


def test_a_person_aside_is_seen_at_the_cameras_angle() -> None:
    hybrik = untrained()
    picture, box = torch.tensor([[1920.0, 1080.0]]), torch.tensor([[1500.0, 300.0, 1700.0, 800.0]])
    centre, side = square(box, 1.25)
    torch.testing.assert_close(hybrik.context(picture, box), (centre - picture / 2) / side[:, None])
    intrinsics = torch.tensor([[[1400.0, 0, 950], [0, 1400, 545], [0, 0, 1]]])
    context = hybrik.context(picture, box, intrinsics)
    upright = torch.zeros(1, 2, 3)
    upright[:, 1, 2] = 0.1  # seen at one pixel, further away
    lifted = lift(upright, torch.tensor([4.0]), 2.2, context)
    ray = lifted.skeleton[0, 1, :2] / lifted.skeleton[0, 1, 2]
    torch.testing.assert_close(ray, torch.tensor([(1600 - 950) / 1400, (550 - 545) / 1400]))


def test_gradients_reach_every_weight_and_the_crop() -> None:
    hybrik = untrained()
    hybrik.module.requires_grad_(True)
    crop = pictures(2, 128).requires_grad_()
    estimate = hybrik.predict(crop)
    assert estimate.body_pose is not None and estimate.global_orient is not None and estimate.betas is not None
    rng = torch.Generator().manual_seed(0)
    said = (estimate.joints, rotvec_to_rotmat(estimate.body_pose), rotvec_to_rotmat(estimate.global_orient))
    sum((torch.randn(x.shape, generator=rng) * x).sum() for x in (*said, estimate.betas)).backward()
    assert crop.grad is not None
    gradients = {name: p.grad for name, p in hybrik.module.named_parameters()}
    assert all(g is not None and torch.isfinite(g).all() for g in gradients.values())
    assert not [name for name, g in gradients.items() if not g.abs().max() > 0]


def test_the_joints_loss_reaches_the_network_with_either_kinematics() -> None:
    """Fine-tuning follows the skeleton as it was seen: upstream's detached kinematics does not stop it."""
    gradients = []
    for ik in ("differentiable", "official"):
        hybrik = untrained(ik=ik)
        hybrik.module.requires_grad_(True)
        hybrik.predict(pictures(1, 128)).joints.square().sum().backward()
        gradients.append(hybrik.module.final_layer.weight.grad)
    torch.testing.assert_close(gradients[0], gradients[1])
    assert gradients[0].abs().max() > 0


def test_gradients_look_once() -> None:
    once, twice = (untrained(flip_test=flip, precision="float32") for flip in (False, True))
    crop = pictures(2, once.input_size)
    torch.testing.assert_close(twice.predict(crop).joints, once.predict(crop).joints)
    with torch.no_grad():
        assert (twice.predict(crop).joints - once.predict(crop).joints).abs().max() > 1e-4


@torch.no_grad()
def test_the_flip_test_gives_mirror_images_of_mirror_images() -> None:
    """Averaged with its mirror image, a crop and its mirror image must give mirrored skeletons, but for one column."""
    from posegen_hybrik.skeleton import mirrored

    hybrik = untrained(flip_test=True, precision="float32")
    crop = pictures(1, hybrik.input_size)
    here, there = (hybrik.solve(x).seen for x in (crop, crop.flip(-1)))
    torch.testing.assert_close(here.betas, there.betas)
    assert here.camera is not None and there.camera is not None
    torch.testing.assert_close(here.camera, there.camera)
    flip = torch.tensor([-1.0, 1.0, 1.0])
    column = 8 / hybrik.input_size  # of the heatmap: the one that is lost at one side and doubled at the other
    torch.testing.assert_close(here.uvd, (there.uvd * flip)[:, mirrored(29)], rtol=0, atol=1.1 * column)
    torch.testing.assert_close(here.uvd[..., 1:], there.uvd[:, mirrored(29), 1:], rtol=0, atol=0.02)


@pytest.mark.parametrize("variant", [RES34, RES34_24, RES34_CAM, HRNET48_CAM, COMPACT], ids=lambda v: v.name)
def test_variants_are_told_by_their_shapes(variant: Variant) -> None:
    with torch.device("meta"):
        state = HybrikNet(variant).state_dict() if variant.smpl else {}
    state = state or untrained().module.state_dict()
    assert recognise(state) == variant


def test_official_weights_are_lifted_by_the_published_rule(official: Path) -> None:
    """Whose focal length is that of the crop, whatever is known of the picture's camera."""
    hybrik = Hybrik(Hybrik.Options(checkpoint=official))
    picture, box = torch.tensor([[1920.0, 1080.0]]), torch.tensor([[1500.0, 300.0, 1700.0, 800.0]])
    intrinsics = torch.tensor([[[1400.0, 0, 950], [0, 1400, 545], [0, 0, 1]]])
    torch.testing.assert_close(hybrik.context(picture, box, intrinsics), hybrik.context(picture, box))


def test_official_weights_need_the_asset(official: Path) -> None:
    with pytest.raises(AssetError, match="hybrik-checkpoint") as raised:
        Hybrik(Hybrik.Options(weights="official"))
    assert "posegen assets set hybrik-checkpoint" in raised.value.hint
    assets.register("hybrik-checkpoint", official)
    hybrik = Hybrik(Hybrik.Options())
    assert (hybrik.weights, hybrik.input_size, hybrik.module.variant.sigma) == ("official", 256, False)


def step(hybrik: Hybrik) -> None:
    """One step of fine-tuning."""
    hybrik.module.requires_grad_(True)
    adam = torch.optim.Adam(hybrik.module.parameters(), lr=hybrik.lr)
    hybrik.predict(pictures(1, hybrik.input_size)).joints.square().sum().backward()
    adam.step()


def test_a_fine_tuned_official_checkpoint_goes_out_as_it_came_in(official: Path, tmp_path: Path) -> None:
    before = torch.load(official, weights_only=True)
    hybrik = Hybrik(Hybrik.Options(checkpoint=official))
    step(hybrik)
    torch.save(hybrik.official_checkpoint(), tmp_path / "out.pth")
    after = torch.load(tmp_path / "out.pth", weights_only=True)
    assert type(after) is OrderedDict  # upstream takes a plain dictionary for a container
    assert {k: (v.shape, v.dtype) for k, v in after.items()} == {k: (v.shape, v.dtype) for k, v in before.items()}
    changed = {k for k in before if not torch.equal(before[k], after[k])}
    assert {"preact.conv1.weight", "deconv_layers.0.weight", "final_layer.weight", "deccam.weight"} <= changed
    assert not {k for k in changed if "running" in k or k.startswith(("init_", "smpl."))}
    again = Hybrik(Hybrik.Options(checkpoint=tmp_path / "out.pth"))
    crop = pictures(1, 256)
    assert torch.equal(again.predict(crop).joints, hybrik.predict(crop).joints)


def test_the_body_in_an_official_checkpoint_is_a_body(official: Path) -> None:
    body = Hybrik(Hybrik.Options(checkpoint=official)).smpl
    assert body is not None
    template = open_skeleton()[0][:24]
    torch.testing.assert_close(body.rest_joints, template - template[:1], rtol=0, atol=1e-5)
    assert {"smpl24", "h36m17"} <= set(body.joint_sets)
    assert untrained().smpl is None


def test_the_small_network_is_not_exported_as_the_published_one() -> None:
    with pytest.raises(UsageError, match="small network"):
        untrained().official_checkpoint()


def test_weights_say_what_they_are(tmp_path: Path) -> None:
    hybrik = untrained()
    assert hybrik.weights == "untrained"
    torch.save(hybrik.module.state_dict(), tmp_path / "tuned.pt")
    again = Hybrik(Hybrik.Options(checkpoint=tmp_path / "tuned.pt"))
    assert (again.weights, again.input_size) == ("open-compact", 128)
    assert sum(p.numel() for p in again.module.parameters()) * 2 <= 8e6  # bytes in half precision


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"preact.layer3.5.conv1.weight": None}, r"lacks 'preact\.layer3\.5\.conv1\.weight'"),
        ({"smpl.v_template": None}, r"lacks 'smpl\.v_template'"),
        ({"final_layer.weight": torch.zeros(1536, 256, 1, 1)}, r"'final_layer\.weight' has shape"),
        ({"head.weight": torch.zeros(3)}, r"holds 'head\.weight'"),
        ({"fc1.bias": torch.full((1024,), torch.nan)}, r"'fc1\.bias' holds values that are not finite"),
    ],
    ids=["a block is missing", "the body is missing", "another variant's layer", "beyond the network", "not finite"],
)
def test_the_first_difference_is_told(
    official: Path, tmp_path: Path, damage: dict[str, Tensor | None], message: str
) -> None:
    state = torch.load(official, weights_only=True) | damage
    torch.save({k: v for k, v in state.items() if v is not None}, tmp_path / "bad.pth")
    with pytest.raises(AssetError, match=message):
        Hybrik(Hybrik.Options(checkpoint=tmp_path / "bad.pth"))


def test_another_estimators_checkpoint_is_told(tmp_path: Path) -> None:
    torch.save({"model": {"conv1.weight": torch.zeros(1), "decpose.weight": torch.zeros(1)}}, tmp_path / "spin.pt")
    with pytest.raises(AssetError, match="is a checkpoint of spin, not of hybrik"):
        Hybrik(Hybrik.Options(checkpoint=tmp_path / "spin.pt"))


def test_the_body_in_the_weights_stands_in_for_a_neutral_file_that_is_not_registered(official: Path) -> None:
    from posegen.scoring.meshes import Meshes

    hybrik = Hybrik(Hybrik.Options(checkpoint=official))
    meshes = Meshes(hybrik.smpl)
    assert meshes.has_neutral and not Meshes().has_neutral
    people = meshes.side("smpl24", torch.zeros(2, 24, 3), torch.zeros(2, 10))
    template = open_skeleton()[0][:24]
    torch.testing.assert_close(people.joints[1], template, rtol=0, atol=1e-5)
    with pytest.raises(AssetError, match="smpl-male"):
        meshes.side("smpl24", torch.zeros(1, 24, 3), torch.zeros(1, 10), ["male"])
