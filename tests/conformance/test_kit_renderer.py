"""The kit finds these faults of a renderer."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from posegen.types import Render

from .faulty import Fault, WrongGradient, around, assert_found, broken, nan, noisy, through_numpy, without_mean
from .healthy import Renderer


def image(change) -> type:
    return around(Renderer, "render", lambda render: Render(change(render.image), render.alpha))


def both(change) -> type:
    return around(Renderer, "render", lambda render: Render(change(render.image), change(render.alpha)))


class Sideways(Renderer):
    """Mistakes height for width."""

    def render(self, pose, camera):
        return super().render(pose, replace(camera, height=camera.width, width=camera.height))


class SamePose(Renderer):
    def render(self, pose, camera):
        return super().render(pose * 0, camera)


class SameView(Renderer):
    def render(self, pose, camera):
        front = torch.diag(torch.tensor([1.0, -1.0, -1.0])).expand(len(pose), 3, 3)
        return super().render(pose, replace(camera, rotation=front))


class TooTall(Renderer):
    """Draws half as large again as the body that it says it draws."""

    def render(self, pose, camera):
        intrinsics = camera.intrinsics.clone()
        intrinsics[:, :2, :2] *= 1.5
        return super().render(pose, replace(camera, intrinsics=intrinsics))


FAULTS: list[Fault] = [
    (broken(Renderer, differentiable=1), "attributes_are_known", "True or False"),
    (Sideways, "render_has_the_shape", r"\(3, 3, 64, 48\)"),
    (image(nan), "render_has_the_shape", "NaN"),
    (image(lambda i: (255 * i).byte()), "render_has_the_shape", "uint8"),
    (around(Renderer, "render", lambda render: (render.image, render.alpha)), "render_has_the_shape", "tuple"),
    (image(lambda i: 255 * i), "values_are_premultiplied", r"image must lie in \[0,1\]"),
    (image(lambda i: 2 * i - 1), "values_are_premultiplied", r"image must lie in \[0,1\]"),
    (image(lambda i: i.clamp(min=0.5)), "values_are_premultiplied", "premultiplied"),
    (both(lambda x: x * 0), "somebody_is_drawn", "at K = 0"),
    (both(lambda x: x * 0 + 1), "somebody_is_drawn", "at K = 0"),
    (image(lambda i: i * 0), "somebody_is_drawn", "black"),
    (SamePose, "pose_and_view_matter", "another pose"),
    (SameView, "pose_and_view_matter", "another view"),
    (both(lambda x: x.flip(-1)), "joints_lie_in_the_silhouette", "camera convention"),
    (both(lambda x: x.flip(-2)), "joints_lie_in_the_silhouette", "camera convention"),
    (both(lambda x: x.roll(8, -1)), "joints_lie_in_the_silhouette", "camera convention"),
    (SameView, "joints_lie_in_the_silhouette", "camera convention"),
    (SamePose, "joints_lie_in_the_silhouette", "camera convention"),
    (TooTall, "joints_lie_in_the_silhouette", "another body"),
    (image(noisy), "render_is_repeatable", "same image"),
    (image(without_mean), "render_is_batch_independent", "one at a time"),
    (image(through_numpy), "gradient_is_as_promised", "no graph"),
    (image(WrongGradient.apply), "gradient_is_as_promised", "lower the loss"),
    (broken(Renderer, differentiable=False), "gradient_is_as_promised", "say True"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=[name for _, name, _ in FAULTS])
def test_a_fault_is_found(fault: Fault) -> None:
    assert_found("renderer", fault)
