"""What a renderer must hold to."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from posegen.body import Body
from posegen.geometry import from_spherical, orbit
from posegen.testing.expect import batch_independent, descends, equal, no_gradient, poses, require, tensor
from posegen.testing.kit import Case
from posegen.types import Camera, Render

HEIGHT, WIDTH = 64, 48
EPSILON = 1e-3
ASYMMETRIC = {12: (0.0, 0.0, 0.9), 16: (0.0, -0.7, 0.0), 15: (0.0, 0.0, -1.2), 1: (-0.9, 0.0, 0.0), 4: (0.8, 0.0, 0.0)}
"""Rows of theta: left arm raised, right arm down, right leg forward, so that no mirrored or turned picture fits it."""


def attributes_are_known(case: Case) -> None:
    """``body`` is a posegen.body.Body and ``differentiable`` a bool."""
    require(isinstance(case.part.body, Body), f"body must be a posegen.body.Body, is {type(case.part.body).__name__}")
    require(isinstance(case.part.differentiable, bool), "differentiable must be True or False")


def render_has_the_shape(case: Case) -> None:
    """image (N,3,H,W) and alpha (N,1,H,W) of the camera's height and width, float32, finite."""
    for n in (3, 1):
        render = case.part.render(poses(case, n), _camera(case, n))
        require(isinstance(render, Render), f"render must return posegen.types.Render, not {type(render).__name__}")
        tensor(case, render.image, "image", (n, 3, HEIGHT, WIDTH))
        tensor(case, render.alpha, "alpha", (n, 1, HEIGHT, WIDTH))


def values_are_premultiplied(case: Case) -> None:
    """image and alpha lie in [0,1], and the image is black where alpha is zero: colour times alpha."""
    render = case.part.render(poses(case), _camera(case, 3))
    for name, value in (("image", render.image), ("alpha", render.alpha)):
        low, high = float(value.min()), float(value.max())
        require(low >= -EPSILON and high <= 1 + EPSILON, f"{name} must lie in [0,1], reaches {low:.3g} to {high:.3g}")
    excess = float((render.image - render.alpha).max())
    require(excess <= EPSILON, f"the image must be premultiplied, at most alpha: it exceeds alpha by {excess:.3g}")


def somebody_is_drawn(case: Case) -> None:
    """At K = 0 the person fills some of the image, not all of it, and is not black."""
    render = case.part.render(poses(case, 1), _camera(case, 1))
    cover = float((render.alpha > 0.5).float().mean())
    require(0.02 < cover < 0.7, f"at K = 0 a person should cover a part of the image, covers {cover:.1%}")
    require(float(render.image.max()) > 0.05, "the person must not be black")


def pose_and_view_matter(case: Case) -> None:
    """Another pose, and another view, give another picture."""
    still, bent = torch.zeros(1, 23, 3, device=case.device), _asymmetric(case, 1)
    front = case.part.render(still, _camera(case, 1)).image
    for what, other in (
        ("pose", case.part.render(bent, _camera(case, 1))),
        ("view", case.part.render(still, _camera(case, 1, azimuth=1.2))),
    ):
        require(float((other.image - front).abs().mean()) > 1e-3, f"another {what} must give another picture")


def joints_lie_in_the_silhouette(case: Case) -> None:
    """``body``'s joints, projected by the camera, fall on the drawn person, from every side: labels fit pictures."""
    azimuths = (0.0, 0.7, 1.57, 3.14)
    pose = _asymmetric(case, len(azimuths))
    turns = torch.tensor(azimuths, device=case.device)
    camera = _sized(orbit(from_spherical(turns, 0.3 * torch.ones_like(turns)), size=128), 128, 128)
    alpha = case.part.render(pose, camera).alpha
    on = F.max_pool2d((alpha > 0.5).float(), 5, stride=1, padding=2)  # two pixels of tolerance, 4 cm
    pixels = camera.project(case.part.body.joints(pose)).floor().long().clamp(0, 127)
    rows = torch.arange(len(pose), device=case.device)[:, None]
    share = on[rows, 0, pixels[..., 1], pixels[..., 0]].mean(1)
    worst = int(share.argmin())
    require(
        float(share[worst]) > 0.9,
        f"the projected joints of body must lie on the drawn person: from azimuth {azimuths[worst]} only "
        f"{float(share[worst]):.0%} do (camera convention, mirrored axes, or another body's shape?)",
    )


def render_is_repeatable(case: Case) -> None:
    """The same pose and camera give the same picture, bit for bit, also from a second instance."""
    pose, camera = poses(case, 2), _camera(case, 2)
    first = case.part.render(pose, camera)
    for again in (case.part.render(pose, camera), case.build().render(pose, camera)):
        equal(again.image, first.image, "the same pose and camera must give the same image")
        equal(again.alpha, first.alpha, "the same pose and camera must give the same alpha")


def render_is_batch_independent(case: Case) -> None:
    """A picture does not depend on the other pictures of the batch."""
    pose, camera = poses(case), _camera(case, 3)
    batch_independent(lambda rows: case.part.render(pose[rows], camera[rows]).image, 3, "the images", 1 / 255)


def gradient_is_as_promised(case: Case) -> None:
    """With ``differentiable`` the gradient reaches the pose and the camera; without, the image has none."""
    pose, view = poses(case, 1), torch.tensor([[0.1, 0.4, 0.0]], device=case.device)
    y, x = torch.meshgrid(torch.linspace(-1, 1, HEIGHT), torch.linspace(-1, 1, WIDTH), indexing="ij")
    weight = torch.stack([x, y, x * y])[None].to(case.device)

    def loss(pose: Tensor, view: Tensor) -> Tensor:
        total: Tensor = (case.part.render(pose, _sized(orbit(view, size=HEIGHT), HEIGHT, WIDTH)).image * weight).sum()
        return total

    if case.part.differentiable:
        descends(lambda x: loss(x, view), pose, "the pose")
        descends(lambda x: loss(pose, x), view, "the camera")
    else:
        pose.requires_grad_()
        no_gradient(case.part.render(pose, _camera(case, 1)).image, pose, "the pose")


def _asymmetric(case: Case, n: int) -> Tensor:
    pose = torch.zeros(n, 23, 3, device=case.device)
    for row, turn in ASYMMETRIC.items():
        pose[:, row] = torch.tensor(turn).to(pose)
    return pose


def _camera(case: Case, n: int, azimuth: float = 0.0) -> Camera:
    turns = torch.full((n,), azimuth, device=case.device)
    return _sized(orbit(from_spherical(turns, torch.zeros_like(turns)), size=HEIGHT), HEIGHT, WIDTH)


def _sized(camera: Camera, height: int, width: int) -> Camera:
    """A camera that is not square, so that a renderer cannot mistake height for width."""
    intrinsics = camera.intrinsics.clone()
    intrinsics[:, 0, 2], intrinsics[:, 1, 2] = width / 2, height / 2
    return replace(camera, intrinsics=intrinsics, height=height, width=width)


CHECKS = (
    attributes_are_known,
    render_has_the_shape,
    values_are_premultiplied,
    somebody_is_drawn,
    pose_and_view_matter,
    joints_lie_in_the_silhouette,
    render_is_repeatable,
    render_is_batch_independent,
    gradient_is_as_promised,
)
