"""The loop: which gradient each feedback mode gives the generator, and what a step changes."""

from __future__ import annotations

from typing import Any

import blob_parts
import pytest
import torch
from posegen_discriminators.parts import Parts
from posegen_priors.priors import Normal
from posegen_starter.body import OpenBody

from posegen import alarms, losses
from posegen.appearance import Appearance
from posegen.datasets.poses import RealPoses
from posegen.loop import PoseGen, Progress
from posegen.settings import AppearanceSettings, Settings
from posegen.testing.blobs import BlobEstimator, BlobRenderer
from posegen.types import Camera, Clip, Render

PLAIN = {"backgrounds": 1.0, "brightness": 0.0, "contrast": 0.0, "colour": 0.0, "haze": 0.0, "noise": 0.0, "blur": 0.0}


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def method(dtype: torch.dtype = torch.float32, **feedback: Any) -> PoseGen:
    """The whole method on blobs: fast, and differentiable from end to end."""
    settings = Settings.model_validate(
        {
            "camera": {"size": 24},
            "loop": {"warmup": 2, "iterations": 4, "batch": 8},
            "feedback": {"every": 2, "samples": 4, **feedback},
            "appearance": PLAIN,
        }
    )
    poses = 0.2 * torch.randn(40, 24, 3, generator=stream(1))
    return PoseGen(
        renderer=BlobRenderer(OpenBody(OpenBody.Options()).body().to(dtype=dtype)),
        estimator=BlobEstimator(stream(2), dtype),
        prior=Normal(Normal.Options()),
        discriminator=Parts(Parts.Options(width=16, out_width=16), generator=stream(3)),
        real_poses=RealPoses([Clip("c", "train", poses, torch.zeros(40, 3), 30.0)]),
        appearance=Appearance(settings.appearance, torch.full((1, 3, 24, 24), 0.5)),
        settings=settings,
        rng=stream(4),
    )


PARTS = ["renderer", "estimator", "prior", "discriminator", "real_poses", "appearance", "settings", "rng"]


def proposals(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    theta = 0.3 * torch.randn(3, 23, 3, generator=stream(5)).to(dtype)
    view = torch.randn(3, 3, generator=stream(6)).to(dtype)
    return theta.requires_grad_(), view.requires_grad_()


class TestFeedbackGradient:
    """In double precision, against central differences of the error itself."""

    @pytest.mark.parametrize("scenario", ["out_of_distribution", "in_distribution"])
    def test_rendered_is_the_true_gradient_through_image_and_estimator(self, scenario: str) -> None:
        posegen = method(torch.float64, mode="rendered", scenario=scenario)
        theta, view = proposals(torch.float64)
        loss, *_ = posegen.feedback(theta, view, stream())
        gradients = torch.autograd.grad(loss, (theta, view))
        step = 1e-6
        rng = stream(7)
        for x, gradient in zip((theta, view), gradients, strict=True):
            direction = torch.randn(x.shape, generator=rng, dtype=x.dtype)
            sides = []
            for sign in (1, -1):
                moved = [t.detach() + (sign * step * direction if t is x else 0) for t in (theta, view)]
                sides.append(posegen.feedback(moved[0], moved[1], stream())[0])
            numeric = (sides[0] - sides[1]) / (2 * step)
            assert numeric.item() == pytest.approx((gradient * direction).sum().item(), rel=1e-4, abs=1e-9)
            assert abs(numeric.item()) > 1e-6

    def test_label_holds_the_estimate_constant(self) -> None:
        posegen = method(torch.float64, mode="label")
        theta, view = proposals(torch.float64)
        loss, *_ = posegen.feedback(theta, view, stream())
        gradient = torch.autograd.grad(loss, theta)[0]

        constant = posegen.look(theta.detach(), view.detach(), stream())[0].joints.detach()
        truth = posegen.renderer.body.joints(theta, view, "smpl24")
        expected = 1.0 - losses.joint_error(constant, truth, posegen.joint_set).mean()
        torch.testing.assert_close(gradient, torch.autograd.grad(expected, theta)[0])

        rendered = method(torch.float64, mode="rendered").feedback(theta, view, stream())[0]
        assert (torch.autograd.grad(rendered, theta)[0] - gradient).norm() > 1e-3 * gradient.norm()

    @pytest.mark.parametrize("mode", ["rendered", "label", "score"])
    def test_nothing_is_gained_by_a_limb_that_is_not_drawn(self, mode: str) -> None:
        """As a NeRF leaves them out in poses that it has never seen: the worst of errors would be the renderer's."""
        posegen = method(torch.float64, mode=mode)
        theta, view = proposals(torch.float64)
        whole, *_ = posegen.feedback(theta, view, stream())
        drawn, lacking = posegen.renderer.render, [1]

        def without_legs(pose: torch.Tensor, camera: Camera) -> Render:
            render = drawn(pose, camera)
            left = torch.ones_like(render.alpha)
            left[lacking, :, 12:] = 0
            return Render(render.image * left, render.alpha * left)

        posegen.renderer.render = without_legs
        loss, error, share = posegen.feedback(theta, view, stream())
        assert error > 0 and share == pytest.approx(2 / 3)
        gradient = torch.autograd.grad(loss, theta)[0]
        assert gradient[[0, 2]].norm(dim=(1, 2)).min() > 0
        if mode != "score":  # whose samples are compared with one another
            assert gradient[1].abs().max() == 0 and loss > whole
        lacking = [0, 1, 2]
        _, error, share = posegen.feedback(theta, view, stream())
        assert error == share == 0  # the mean of none

    @pytest.mark.parametrize("part", ["renderer", "estimator", None])
    def test_auto_is_rendered_where_gradients_pass(self, part: str | None) -> None:
        theta, view = proposals(torch.float64)
        auto = method(torch.float64, mode="auto")
        if part is not None:
            getattr(auto, part).differentiable = False
            auto = PoseGen(**{name: getattr(auto, name) for name in PARTS})
        expected = method(torch.float64, mode="label" if part else "rendered")
        one, other = (torch.autograd.grad(m.feedback(theta, view, stream())[0], theta)[0] for m in (auto, expected))
        torch.testing.assert_close(one, other)

    def test_score_points_where_the_error_grows(self) -> None:
        """The mean of many score-function estimates must agree with the smoothed error's slope."""
        posegen = method(torch.float64, mode="score", scenario="out_of_distribution", sigma=0.05)
        true = method(torch.float64, mode="rendered", scenario="out_of_distribution")
        one = [x.detach()[:1] for x in proposals(torch.float64)]
        theta, view = (x.expand(256, *x.shape[1:]).clone().requires_grad_() for x in one)
        rng, total = stream(8), torch.zeros(3, dtype=torch.float64)
        for _ in range(24):
            loss, *_ = posegen.feedback(theta, view, rng)
            total += torch.autograd.grad(loss, view)[0].sum(0)
        expected = torch.autograd.grad(true.feedback(theta, view, stream())[0], view)[0].sum(0)
        assert torch.nn.functional.cosine_similarity(total, expected, dim=0) > 0.8

    def test_scenarios_pull_in_opposite_directions(self) -> None:
        theta, view = proposals(torch.float64)
        gradients = []
        for scenario in ("out_of_distribution", "in_distribution"):
            loss, *_ = method(torch.float64, mode="label", scenario=scenario).feedback(theta, view, stream())
            gradients.append(torch.autograd.grad(loss, view)[0])
        torch.testing.assert_close(gradients[0], -gradients[1])


class TestStep:
    def test_warm_up_has_no_feedback_and_training_has_it_every_second_time(self) -> None:
        errors = [progress.error for progress in method().train(6)]
        assert [e is not None for e in errors] == [False, False, True, False, True, False]

    def test_generator_and_discriminator_learn_and_the_estimator_does_not(self) -> None:
        posegen = method()
        networks = {
            "generator": posegen.generator,
            "discriminator": posegen.discriminator,
            "estimator": posegen.estimator.module,
        }
        before = {name: [p.detach().clone() for p in net.parameters()] for name, net in networks.items()}  # type: ignore[union-attr]
        list(posegen.train(4))
        moved = {
            name: any((p != q).any() for p, q in zip(net.parameters(), before[name], strict=True))  # type: ignore[union-attr]
            for name, net in networks.items()
        }
        assert moved == {"generator": True, "discriminator": True, "estimator": False}

    def test_the_view_learns_from_feedback_alone(self) -> None:
        """D never sees the view: without feedback its head has no gradient (paper, after Eq 10)."""
        for w2, learns in ((0.0, False), (1.0, True)):
            posegen = method(w2=w2)
            next(iter(posegen.train(1)))
            posegen.step(posegen.rng, with_feedback=True)
            gradient = posegen.generator.head.weight.grad
            assert gradient is not None
            assert bool(gradient[:4].abs().max() > 0) is learns

    def test_one_seed_gives_one_result(self) -> None:
        first, second = (torch.stack([p.total for p in method().train(5)]) for _ in range(2))
        assert torch.equal(first, second)

    def test_with_and_without_feedback_a_seed_draws_the_same(self) -> None:
        """So rows of an ablation that differ in the feedback see the same z and the same real poses."""
        states = []
        for w2 in (0.0, 1.0):
            posegen = method(w2=w2)
            posegen.appearance.settings = AppearanceSettings()  # looks are drawn
            list(posegen.train(6))
            states.append(posegen.rng.get_state())
        assert torch.equal(*states)

    def test_joint_angles_stay_in_the_range_of_real_poses(self) -> None:
        far = []
        for w4 in (0.0, 1.0):
            posegen = method(w4=w4, w2=0)
            posegen.adam_g.param_groups[0]["lr"] = 3e-3
            list(posegen.train(40))
            far.append(losses.joint_limits(posegen.draw(64, stream())[0], *posegen.real_poses.range).item())
        assert far[1] < 0.3 * far[0]

    def test_drawing_does_not_depend_on_training_state_of_batch_norm(self) -> None:
        posegen = method()
        list(posegen.train(3))
        theta, view = posegen.draw(5, stream(9))
        alone, _ = posegen.draw(5, stream(9))
        assert torch.equal(theta, alone)
        assert theta.shape == (5, 23, 3)
        assert view.shape == (5, 3)
        assert posegen.generator.training


@pytest.mark.parametrize("seed", range(20))
def test_strong_feedback_sets_off_no_alarm(seed: int) -> None:
    """In every iteration: poses stay apart and views all around. (Blobs do not tempt it to collapse; runs may.)"""
    posegen = blob_parts.method(
        seed,
        generator={"width": 32, "z_dim": 8, "stages": 1, "lr": 1e-3},
        loop={"warmup": 0, "batch": 32},
        feedback={"every": 1, "samples": 4, "w2": 5.0, "w3": 1.0},
    )
    for iteration, progress in enumerate(posegen.train(60), 1):
        values = {name: float(v) for name in Progress.__slots__ if (v := getattr(progress, name)) is not None}
        alarms.check("feedback 0", iteration, values)
    assert values["view_spread"] > 0.6 and values["diversity"] > 0.05
