"""A field learned from a few small pictures: it gets better, resumes to the same bits, and repairs poses."""

from __future__ import annotations

import dataclasses
import json
import warnings

import numpy as np
import pytest
import torch
from fit_parts import TINY, small_views, some_rays
from posegen_anerf.fit import losses
from posegen_anerf.fit.draw import draw
from posegen_anerf.fit.fit import Fit, fit
from posegen_anerf.fit.network import finished
from posegen_anerf.fit.options import FitOptions
from posegen_anerf.fit.poses import Poses
from posegen_anerf.fit.radii import radii_of
from posegen_anerf.fit.start import start_of
from posegen_anerf.fit.state import check_state
from posegen_anerf.skeleton import FLIP, UNIT, bones_to_world, joints_of
from posegen_anerf.subject import NerfSubject

from posegen import plugins
from posegen.errors import AssetError, PosegenError, UsageError
from posegen.geometry import rot6d_to_rotmat, rotvec_to_rotmat
from posegen.nn import precision
from posegen.nn.checkpoint import load_tensors, metadata, save_tensors
from posegen.types import Views


@pytest.fixture(scope="module")
def views() -> Views:
    return small_views()


@pytest.fixture(scope="module")
def skts(views):
    return bones_to_world(views.poses, views.rest_joints)


def test_a_fit_lowers_the_held_out_error(views, tmp_path):
    unseen = views.held_out.nonzero()[:, 0]
    before = Fit(views, TINY).look(unseen)
    options = TINY.model_copy(update={"iterations": 250, "every": 250})
    fitted = fit(views, options, tmp_path / "p.safetensors")
    assert fitted.quality.psnr > before.psnr + 1
    assert fitted.quality.box_ssim > before.box_ssim + 0.1
    assert fitted.iterations == 250
    assert not (tmp_path / "p.safetensors.fit").exists()  # there is nothing left to go on with
    subject = NerfSubject.load(tmp_path / "p.safetensors")
    assert subject.body == "open"
    assert json.loads(subject.source["held out"])["psnr"] == round(fitted.quality.psnr, 3)
    assert torch.equal(subject.rest_joints, views.rest_joints)


def test_held_out_pictures_of_nobody_are_not_measured(views, tmp_path):
    """There is no box of a person in them, and what is no figure does not end a fit."""
    masks = views.masks * ~views.held_out[:, None, None]
    empty = dataclasses.replace(views, masks=masks, images=views.images * (masks > 0)[..., None])
    options = TINY.model_copy(update={"iterations": 4, "every": 1, "patience": 1})
    fitted = fit(empty, options, tmp_path / "p.safetensors")
    assert fitted.quality is None
    assert fitted.iterations == 4


def test_a_resumed_fit_has_the_same_bits(views, tmp_path):
    options = TINY.model_copy(update={"poses": True, "pose_every": 7})
    whole, parts = Fit(views, options), Fit(views, options)
    for _ in range(30):
        whole.iterate()
    for _ in range(15):  # not where the poses step: their gradients are half collected
        parts.iterate()
    parts.save(tmp_path / "state.fit")
    parts = Fit(views, options)
    parts.resume(tmp_path / "state.fit")
    assert parts.done == 15
    for _ in range(15):
        parts.iterate()
    for module in ("field", "poses"):
        for key, value in getattr(whole, module).state_dict().items():
            assert torch.equal(value, getattr(parts, module).state_dict()[key]), key


def test_an_interrupted_fit_goes_on(views, tmp_path):
    out, undisturbed = tmp_path / "p.safetensors", tmp_path / "u.safetensors"
    fit(views, TINY, undisturbed)

    def stop(done, total, figures):
        if done == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(views, TINY, out, progress=stop)
    assert NerfSubject.load(out).source["iterations"] == "20"  # a person to look at, meanwhile
    with pytest.raises(UsageError, match=r"fitted with lr=0\.005, not 0\.001"):
        fit(views, TINY.model_copy(update={"lr": 1e-3}), out, resume=True)
    with pytest.raises(UsageError, match="holds an interrupted fit"):
        fit(views, TINY, out)
    fit(views, TINY, out, resume=True)
    one, other = NerfSubject.load(out), NerfSubject.load(undisturbed)
    assert one.source == other.source
    for key, value in one.fine.state_dict().items():
        assert torch.equal(value, other.fine.state_dict()[key]), key


def test_refined_poses_are_written(views, tmp_path):
    options = TINY.model_copy(
        update={"poses": True, "pose_every": 2, "pose_lr": 1e-2, "iterations": 6, "calibration": 0}
    )
    fit(views, options, tmp_path / "p.safetensors")
    with np.load(tmp_path / "p.poses.npz") as written:
        poses, pelvis = torch.from_numpy(written["poses"]), torch.from_numpy(written["pelvis"])
    assert poses.shape == (len(views.poses), 24, 3)
    assert pelvis.shape == (len(views.poses), 3)
    moved = (poses[:, 1:] - views.poses).abs().amax((1, 2))
    assert 1e-3 < moved.max() < 0.2  # radians: they have stepped, and stay near what was given
    assert pelvis.abs().max() > 1e-3


def test_refined_poses_replace_no_file(tmp_path):
    options = TINY.model_copy(update={"poses": True})
    (tmp_path / "p.poses.npz").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"p\.poses\.npz is there already"):
        check_state(tmp_path / "p.safetensors", options, False)
    check_state(tmp_path / "p.safetensors", TINY, False)  # which writes none
    check_state(tmp_path / "p.safetensors", options, True)


def test_refined_poses_say_whose_they_are(views, tmp_path):
    options = TINY.model_copy(update={"poses": True, "pose_every": 1, "pose_lr": 1e-2, "iterations": 6})
    fit(views, options, tmp_path / "p.safetensors")
    with np.load(tmp_path / "p.poses.npz", allow_pickle=False) as written:
        assert written["names"].tolist() == list(views.names)
        assert written["pose_index"].tolist() == views.pose_index.tolist()
        assert written["refined"].tolist() == [True] * 6 + [False]
        assert (np.abs(written["pelvis"]).max(1) > 0).tolist() == written["refined"].tolist()


def test_nothing_to_resume_is_a_start(views, tmp_path):
    """Interrupted before anything was kept, as the command says that --resume goes on."""
    out = tmp_path / "p.safetensors"
    options = TINY.model_copy(update={"iterations": 2})
    assert fit(views, options, out, resume=True).iterations == 2
    with pytest.raises(UsageError, match=r"p\.safetensors is finished: there is no p\.safetensors\.fit"):
        fit(views, options, out, resume=True)
    (tmp_path / "p.safetensors.fit").write_bytes(b"damaged")
    with pytest.raises(AssetError, match=r"p\.safetensors\.fit is not a whole safetensors file"):
        fit(views, options, out, resume=True)


def placed(views, move=(0.0, 0.0, 0.0), scale=1.0):
    """The same cameras, moved by metres of their own axes, and their places in other units."""
    cameras = views.cameras
    place = scale * (cameras.translation + torch.tensor(move))
    return dataclasses.replace(views, cameras=dataclasses.replace(cameras, translation=place))


@pytest.mark.parametrize(
    ("move", "scale"),
    [((0, 0, -20), 1), ((3, 0, 0), 1), ((0, -4, 0), 1), ((0, 0, 0), 1000), ((0, 0, 0), 0.01)],
    ids=["behind", "beside", "above", "millimetres", "hectometres"],
)
def test_cameras_that_see_nobody_are_told_at_once(views, move, scale):
    count = int((~views.held_out).sum())
    wrong = rf"the joints of {count} of {count} images lie outside their masks.*\(first: {views.names[0]}\)\nhint: cam"
    with pytest.raises(AssetError, match=wrong):
        Fit(placed(views, move, scale), TINY)


def test_a_few_wrong_cameras_and_close_ups_are_fitted_to(views):
    aside, third = placed(views, (3.0, 0.0, 0.0)).cameras.translation, torch.arange(len(views)) % 3 == 0
    place = torch.where(third[:, None], aside, views.cameras.translation)
    Fit(dataclasses.replace(views, cameras=dataclasses.replace(views.cameras, translation=place)), TINY)
    joints = joints_of(bones_to_world(views.poses, views.rest_joints)) * torch.tensor(FLIP) / UNIT
    head = views.cameras.project(joints[views.pose_index])[:, 15].long()
    masks = torch.zeros_like(views.masks)
    for i, (x, y) in enumerate(head.tolist()):
        masks[i, max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = 255
    Fit(dataclasses.replace(views, masks=masks), TINY)


def test_rays_that_meet_nothing_are_no_error(views, skts):
    run = Fit(views, TINY)
    rays = some_rays(views, skts)
    away = dataclasses.replace(rays, origins=rays.origins + 50, person=torch.ones(len(rays.origins)))
    drawn = draw(run.field, away, run.march(threshold=1e-3), run.rng)
    assert not drawn.alpha.any()


def test_clothes_that_are_too_wide_are_told(views, skts):
    """A skirt: the masks of all images are wide at the height of the thighs."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        radii_of(views, skts, 0.03, torch.Generator().manual_seed(0))
    masks = views.masks.clone()
    masks[:, 16:18, 4:28] = 255
    with pytest.warns(UserWarning, match=r"reach 0\.\d\d m away from the bone to \w+, and what is more than 0\.\d\d m"):
        radii_of(dataclasses.replace(views, masks=masks), skts, 0.03, torch.Generator().manual_seed(0))


def test_training_asks_for_bfloat16_as_posegen_does(views, monkeypatch):
    monkeypatch.setattr(precision, "_cpu_has_bfloat16", lambda: False)
    assert not Fit(views, TINY.model_copy(update={"bf16": None})).bf16


def lens(views):
    """The same views through a lens a little longer."""
    return dataclasses.replace(views.cameras, intrinsics=views.cameras.intrinsics * 1.01)


@pytest.mark.parametrize(
    "other",
    [
        lambda views: {"poses": -views.poses},
        lambda views: {"cameras": lens(views)},
        lambda views: {"rest_joints": 1.1 * views.rest_joints},
        lambda views: {"images": 255 - views.images},
        lambda views: {"held_out": ~views.held_out},
    ],
    ids=["poses", "cameras", "body", "images", "held out"],
)
def test_a_fit_goes_on_with_its_own_images_alone(views, tmp_path, other):
    run = Fit(views, TINY)
    run.iterate()
    run.save(tmp_path / "state.fit")
    same = dataclasses.replace(views, poses=views.poses.clone())
    Fit(same, TINY).resume(tmp_path / "state.fit")
    with pytest.raises(UsageError, match=r"state\.fit was fitted to other images\nhint: give the same --subject"):
        Fit(dataclasses.replace(views, **other(views)), TINY).resume(tmp_path / "state.fit")


@pytest.mark.parametrize("key", ["adam.x.exp_avg", "muon.99.momentum", "field.extra"])
def test_a_state_of_something_else_is_told(views, tmp_path, key):
    path, run = tmp_path / "state.fit", Fit(views, TINY)
    run.iterate()
    run.save(path)
    save_tensors(path, load_tensors(path, "") | {key: torch.zeros(2)}, metadata(path))
    with pytest.raises(AssetError, match=rf"'{key.partition('.')[2]}'"):
        Fit(views, TINY).resume(path)


def test_directions_start_larger_where_the_trunk_sees_them(views):
    """Also of a layer that is wider than what is seen."""
    options = TINY.model_copy(update={"width": 128, "depth": 4, "skip": 1, "multires": 0})
    plain, sharp = (Fit(views, options.model_copy(update={"direction": d})).field.pts_linears for d in (1.0, 3.0))
    for i, (one, other) in enumerate(zip(plain, sharp, strict=True)):
        factor = torch.ones_like(one.weight)
        if i in (0, 2):
            factor[:, 24:96] = 3.0
        torch.testing.assert_close(other.weight, factor * one.weight)


class TestStart:
    """A fit that goes on from a person."""

    def test_it_is_that_person(self, views, tmp_path):
        longer = TINY.model_copy(update={"iterations": 250, "every": 250})
        fitted = fit(views, longer, tmp_path / "p.safetensors")
        unseen = views.held_out.nonzero()[:, 0]
        first = Fit(views, TINY.model_copy(update={"start": str(tmp_path / "p.safetensors")}))
        drawn = NerfSubject.load(tmp_path / "p.safetensors").fine
        for key, value in finished(first.field).state_dict().items():
            assert torch.allclose(value, drawn.state_dict()[key], rtol=1e-6)
        assert first.look(unseen).psnr == pytest.approx(fitted.quality.psnr, abs=0.02)
        assert fitted.quality.psnr > Fit(views, TINY).look(unseen).psnr + 1
        first.iterate()
        assert float(first.field.tau) == TINY.tau[1]

    def test_another_build_is_told_with_its_options(self, tmp_path):
        renderer = plugins.load("renderer", "anerf")
        with pytest.raises(UsageError, match=r"start=s0 is a field with width=256, depth=8, skip=4") as caught:
            renderer.check_fit(TINY.model_copy(update={"start": "s0"}), tmp_path / "p.safetensors", False)
        changes = dict(one.split("=") for one in caught.value.hint.replace("--set ", "").split())
        options = FitOptions.model_validate(TINY.model_dump() | {"start": "s0"} | changes)
        renderer.check_fit(options, tmp_path / "p.safetensors", False)

    def test_codes_are_not_gone_on_with(self):
        with pytest.raises(UsageError, match="without codes"):
            start_of(TINY.model_copy(update={"start": "s0", "framecode": 4}))


def test_early_stop(views, tmp_path):
    options = TINY.model_copy(update={"lr": 1e-20, "adam_lr": 1e-20, "tau": (20.0, 20.0), "every": 5, "patience": 2})
    assert fit(views, options, tmp_path / "p.safetensors").iterations <= 20


def test_divergence_is_told(views):
    run = Fit(views, TINY)
    with torch.no_grad():
        run.field.rgb_linear.bias.fill_(torch.nan)
    with pytest.raises(PosegenError, match="diverged at iteration 0"):
        run.iterate()


def test_poses_are_repaired(views, skts):
    """A field learned with true poses pulls wrong ones back (Eq 11): here the left arm of every pose hangs wrong."""
    options = TINY.model_copy(update={"iterations": 300, "width": 48, "images": 6})
    run = Fit(views, options)
    for _ in range(300):
        run.iterate()
    wrong, shoulder = views.poses.clone(), 15
    wrong[:, shoulder, 2] += 0.4
    refine = {"poses": True, "pose_lr": 1e-2, "pose_every": 4, "pose_weight": 0.0, "noise": 0.0, "empty": 0.0}
    repair = Fit(dataclasses.replace(views, poses=wrong), options.model_copy(update=refine))
    repair.field.load_state_dict(run.field.state_dict())
    repair.field.requires_grad_(False)  # what is learned stays: the poses alone can follow the images
    repair.done = 180

    def error():
        """Metres from where elbow and wrist should be, of the poses that images are learned from."""
        moved = joints_of(repair.poses.skts().detach()) - joints_of(skts)
        return float(moved[:6, [18, 20]].norm(dim=-1).mean()) / UNIT

    before = error()
    assert before > 0.1
    for _ in range(100):
        repair.iterate()
    assert error() < 0.6 * before


def test_pose_term_of_eq_11():
    """Squared differences of two columns beyond the tolerance, summed over the six, the root's left out."""
    given = torch.eye(3)[:, :2].expand(2, 24, 3, 2)
    turned = given.clone()
    turned[:, 3, 0, 0] += 0.3
    turned[:, 0] += 1.0
    expected = (0.09 - 0.01) / 23
    assert losses.pose_distance(turned, given, 0.01).item() == pytest.approx(expected, rel=1e-5)


def test_smoothness_term_of_eq_11():
    """Squared second differences within a clip, summed over coordinates, their mean over frames and joints."""
    values = torch.tensor([0.0, 1.0, 4.0, 9.0, 100.0])[:, None, None].expand(5, 2, 3)
    clip = torch.tensor([0, 0, 0, 0, 1])
    assert losses.acceleration(values, clip, torch.tensor([0, 1, 2, 3, 4])).item() == pytest.approx(3 * 4.0)


def test_smoothness_leaves_the_root_free_to_undo_jitter(views):
    """The given roots are in the cameras: where they jitter and the person stands still, corrections must jitter."""
    still = Poses(views.poses[:1].expand(5, -1, -1), views.rest_joints, torch.zeros(5).long())
    rng, every = torch.Generator().manual_seed(0), torch.arange(5)
    with torch.no_grad():
        still.turns[:, 0] += 0.1 * torch.randn(5, 3, 2, generator=rng)
        still.pelvis += 0.1 * torch.randn(5, 3, generator=rng)
    assert still.regulariser(every, 0.0, 0.0, 1.0).item() == pytest.approx(0.0, abs=1e-9)
    with torch.no_grad():
        still.turns[2, 16] += 0.1
    assert still.regulariser(every, 0.0, 0.0, 1.0).item() > 1e-3


def test_smoothness_needs_poses_that_follow_each_other(views):
    smooth = TINY.model_copy(update={"poses": True, "smooth": 0.05})
    with pytest.raises(UsageError, match="smooth is for video, and no three of these poses follow"):
        Fit(views, smooth)
    Fit(dataclasses.replace(views, clip=torch.tensor([0, 0, 1, 1, 1, 2, 2])), smooth).iterate()


def test_poses_start_as_given(views, skts):
    poses = Poses(views.poses, views.rest_joints, views.clip)
    torch.testing.assert_close(poses.skts(), skts, atol=2e-6, rtol=0)
    with torch.no_grad():
        poses.pelvis[0] = torch.tensor([0.1, 0.2, -0.3])
        poses.turns[0, 0] = rotvec_to_rotmat(torch.tensor([[0.2, 0.5, -0.1]]))[0, :, :2]
    moved = poses.skts()[0]
    body = torch.tensor([[0.05, 0.4, 0.02]])  # metres, in the body: where the moved body carries it, it is the same
    turn = rot6d_to_rotmat(poses.turns[0, 0].flatten())
    flip = torch.tensor([1.0, -1.0, -1.0])
    world = body @ turn.T + poses.pelvis[0]
    here = torch.einsum("jab,b->ja", skts[0, :, :3, :3], (body * flip)[0] * 1.7857143) + skts[0, :, :3, 3]
    there = torch.einsum("jab,b->ja", moved[:, :3, :3], (world * flip)[0] * 1.7857143) + moved[:, :3, 3]
    torch.testing.assert_close(there, here, atol=1e-5, rtol=0)


def test_frame_codes(views, tmp_path):
    options = TINY.model_copy(update={"framecode": 4, "iterations": 20})
    fitted = fit(views, options, tmp_path / "p.safetensors")
    assert fitted.subject.config.framecodes == len(views)
    assert NerfSubject.load(tmp_path / "p.safetensors").fine.framecodes.codes.weight.shape == (len(views), 4)
