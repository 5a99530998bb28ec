"""What an estimator must hold to."""

from __future__ import annotations

import fnmatch

import torch
from torch import Tensor, nn

from posegen.body import JOINT_SETS
from posegen.testing.expect import batch_independent, descends, equal, no_gradient, require, tensor
from posegen.testing.kit import Case
from posegen.testing.pictures import BOX, figure, smooth
from posegen.types import Estimate

OPTIONAL = {"body_pose": (3, 23, 3), "global_orient": (3, 3), "betas": (3, 10), "camera": (3, 3)}
MILLIMETRE = 1e-3


def attributes_are_known(case: Case) -> None:
    """``joint_set`` is a known name, ``input_size`` one or two ints, ``module`` an nn.Module or None."""
    part = case.part
    require(part.joint_set in JOINT_SETS, f"joint_set '{part.joint_set}' is none of {', '.join(JOINT_SETS)}")
    sizes = part.input_size if isinstance(part.input_size, tuple) and len(part.input_size) == 2 else (part.input_size,)
    whole = all(isinstance(size, int) and size > 0 for size in sizes)
    require(whole, "input_size must be a positive int, pixels, or a tuple of two: height and width")
    require(isinstance(part.differentiable, bool), "differentiable must be True or False")
    require(part.module is None or isinstance(part.module, nn.Module), "module must be an nn.Module, or None")


def crop_has_the_shape(case: Case) -> None:
    """``crop`` of images (N,3,H,W) and boxes (N,4) has ``input_size``, also where a box reaches beyond the image."""
    image, box = _images(case)
    beyond = torch.tensor([[-40.0, -30.0, 60.0, 90.0]]).expand(3, 4).to(box)
    size = case.part.input_size
    shape = (3, 3, *(size if isinstance(size, tuple) else (size, size)))
    for boxes in (box, beyond):
        tensor(case, case.part.crop(image, boxes), "crop(image, box)", shape)


def crop_follows_the_box(case: Case) -> None:
    """An image and a box moved by the same pixels give the same crop; another box gives another."""
    image = torch.zeros(1, 3, 192, 224, device=case.device)
    image[:, :, 48:144, 64:128] = smooth(1, 96, 64, seed=4).to(image)
    box = torch.tensor([[64.0, 48.0, 128.0, 144.0]], device=case.device)
    moved = box + torch.tensor([32.0, 16.0, 32.0, 16.0]).to(box)
    crop = case.part.crop(image, box)
    again = case.part.crop(image.roll((16, 32), (2, 3)), moved)
    spread = float(crop.max() - crop.min())
    equal(crop, again, "image and box moved together (x 32, y 16 pixels) must give the same crop", 1e-2 * spread)
    difference = float((case.part.crop(image, moved) - crop).abs().max())
    require(difference > 0.1 * spread, "another box must give another crop")


def crop_is_batch_independent(case: Case) -> None:
    """A crop does not depend on the other images of the batch."""
    image, box = _images(case)
    batch_independent(lambda rows: case.part.crop(image[rows], box[rows]), 3, "the crops", 1e-4)


def crop_is_differentiable(case: Case) -> None:
    """The gradient reaches the image through ``crop``."""
    image, box = _images(case)
    descends(lambda x: case.part.crop(x, box).square().mean(), image, "the image, through crop")


def estimate_has_the_shape(case: Case) -> None:
    """``predict`` gives an Estimate with joints (N,J,3) of ``joint_set``; what it has beyond that has its shape too."""
    joints = len(JOINT_SETS[case.part.joint_set])
    estimate = case.part.predict(_crops(case))
    require(
        isinstance(estimate, Estimate),
        f"predict must return an Estimate (posegen.types), not {type(estimate).__name__}",
    )
    tensor(case, estimate.joints, f"joints of {case.part.joint_set}", (3, joints, 3))
    for name, shape in OPTIONAL.items():
        if (value := getattr(estimate, name)) is not None:
            tensor(case, value, name, shape)
    if estimate.visibility is not None:
        visible = tensor(case, estimate.visibility, "visibility", (3, joints))
        require(visible.min() >= 0 and visible.max() <= 1, "visibility must lie in [0,1]: apply the sigmoid")


def joints_are_metres(case: Case) -> None:
    """The joints of a person span what a person's do: not millimetres, not pixels."""
    joints = case.part.predict(_crops(case)[:1]).joints[0].detach()
    span = float((joints.amax(0) - joints.amin(0)).norm())
    require(0.2 < span < 5, f"joints must be metres: those of an upright person span {span:.3g}")


def context_tells_where_the_crop_lies(case: Case) -> None:
    """``context``, if there is one, gives numbers that ``predict`` takes, with and without a camera; they differ for
    another place."""
    context = getattr(case.part, "context", None)
    if context is None:
        return
    crops = _crops(case)
    picture = torch.tensor([[1920.0, 1080.0]], device=case.device).expand(3, 2)
    middle = torch.tensor([[860.0, 340.0, 1060.0, 740.0]], device=case.device).expand(3, 4)
    aside = middle + torch.tensor([700.0, 0.0, 700.0, 0.0], device=case.device)
    intrinsics = torch.tensor([[5e3, 0, 960], [0, 5e3, 540], [0, 0, 1]], device=case.device).expand(3, 3, 3)
    seen = [context(picture, middle), context(picture, aside), context(picture, aside, intrinsics)]
    for numbers in seen:
        tensor(case, numbers, "context(picture, box)", (3, numbers.shape[-1]))
        tensor(case, case.part.predict(crops, numbers).joints, "joints", (3, len(JOINT_SETS[case.part.joint_set]), 3))
    require(not torch.equal(seen[0], seen[1]), "context must differ for a person elsewhere in the picture")


def estimate_is_repeatable(case: Case) -> None:
    """The same crops give the same joints, bit for bit, also from a second instance."""
    crops = _crops(case)
    kept = crops.clone()
    first = case.part.predict(crops).joints
    equal(crops, kept, "predict must not change the crops that it is given")
    equal(case.part.predict(crops).joints, first, "the same crops must give the same joints (dropout? module.eval())")
    equal(case.build().predict(crops).joints, first, "building it twice must give the same joints")


def estimate_is_batch_independent(case: Case) -> None:
    """A crop's joints do not depend on the other crops of the batch."""
    crops = _crops(case)
    batch_independent(lambda rows: case.part.predict(crops[rows]).joints, 3, "the joints (module.eval()?)", MILLIMETRE)


def gradient_is_as_promised(case: Case) -> None:
    """With ``differentiable`` the gradient reaches the crop, and the image behind it; without, none does."""
    crops = _crops(case)
    if not case.part.differentiable:
        crops.requires_grad_()
        no_gradient(case.part.predict(crops).joints, crops, "the crop")
        return
    target = torch.zeros_like(case.part.predict(crops).joints)
    descends(lambda x: (case.part.predict(x).joints - target).square().mean(), crops, "the crop")
    image, box = _images(case)
    descends(lambda x: (case.part.predict(case.part.crop(x, box)).joints - target).square().mean(), image, "the image")


def can_be_finetuned(case: Case) -> None:
    """``module`` has float32 parameters, a step on the joints' error lowers it; ``lr`` and ``frozen`` are its own."""
    part = case.build()
    if part.module is None:
        return
    require(isinstance(part.lr, float) and part.lr > 0, "an estimator with a module must have a positive lr")
    names = [name for name, _ in part.module.named_parameters()]
    strangers = [pattern for pattern in part.frozen if not fnmatch.filter(names, pattern)]
    require(not strangers, f"frozen names no parameter: {', '.join(strangers)}")
    left = set(names).difference(*(fnmatch.filter(names, pattern) for pattern in part.frozen))
    require(bool(left), "frozen must leave something to fine-tune")
    part.module.requires_grad_(True)
    parameters = list(part.module.parameters())
    require(bool(parameters), "module must have parameters: it is what fine-tuning trains")
    require(all(p.dtype == torch.float32 for p in parameters), "module's parameters must be float32")
    crops = _crops(case)
    truth = part.predict(crops).joints.detach() + 0.1

    def loss() -> Tensor:
        error: Tensor = (part.predict(crops).joints - truth).square().mean()
        return error

    before = loss()
    require(before.requires_grad, "predict must keep the graph to module's parameters (no_grad inside predict?)")
    gradients = torch.autograd.grad(before, parameters, allow_unused=True)
    pairs = [(p, g) for p, g in zip(parameters, gradients, strict=True) if g is not None]
    require(bool(pairs), "the joints' error must reach module's parameters")
    length = torch.stack([g.norm() for _, g in pairs]).norm()
    require(bool(torch.isfinite(length) and length > 0), "the gradient of module's parameters must be finite, not zero")
    with torch.no_grad():
        for size in (1e-2, 1e-3, 1e-4):
            for p, g in pairs:
                p -= size * g / length
            with torch.enable_grad():  # as before: without, an estimator may look more than once
                after = loss().detach()
            if after < before:
                return
            for p, g in pairs:
                p += size * g / length
    told = "a small step against the gradient of module's parameters must lower the joints' error (in float32: bfloat16"
    require(False, f"{told}'s rounding hides small steps)")


def _images(case: Case) -> tuple[Tensor, Tensor]:
    """A figure and two patterns, (3,3,160,120), with the figure's box for each."""
    height, width = 160, 120
    image = torch.cat([figure(height, width), smooth(2, height, width, seed=5)]).to(case.device)
    size = torch.tensor([width, height, width, height])
    return image, (torch.tensor([BOX]) * size).expand(3, 4).to(case.device)


def _crops(case: Case) -> Tensor:
    crops: Tensor = case.part.crop(*_images(case)).detach()
    return crops


CHECKS = (
    attributes_are_known,
    crop_has_the_shape,
    crop_follows_the_box,
    crop_is_batch_independent,
    crop_is_differentiable,
    estimate_has_the_shape,
    joints_are_metres,
    context_tells_where_the_crop_lies,
    estimate_is_repeatable,
    estimate_is_batch_independent,
    gradient_is_as_promised,
    can_be_finetuned,
)
