"""The method on one page: a generator that learns where an estimator fails.

z = prior.sample(n); theta, K = generator(z)
L_D on real poses against theta                                              Eq 10
truth = body.joints(theta, K); image = renderer(theta, camera(K)); estimate = estimator(image)
L_G = w1 * L_adv(D(theta)) + w2 * L_fb(estimate, truth)                      Eq 6-9
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from posegen import losses
from posegen.appearance import Appearance
from posegen.body.joints import JOINT_SETS
from posegen.datasets.poses import RealPoses
from posegen.generator import PoseGenerator
from posegen.geometry import box_from_alpha, distances, frame, leveled, orbit, shown
from posegen.pool import PosePool
from posegen.protocols import Discriminator, PoseEstimator, Prior, Renderer
from posegen.seeding import stream
from posegen.settings import CameraSettings, Settings
from posegen.types import Camera, Estimate, Render


@dataclass(frozen=True, slots=True)
class Progress:
    """One iteration's losses as tensors, still on the device: reading them is the caller's choice.

    error: the estimator's mean error in metres, 0 where no picture counts.  drawn: share of the pictures that count, as
    every limb is drawn.  Both are None in iterations without feedback.
    diversity: standard deviation of theta over the batch, radians.  spread: of the scores of one head, their mean.
    view_spread: how far apart the views are, from 0, all the same, to 1 (``losses.view_spread``).
    """

    discriminator: Tensor
    adversarial: Tensor
    total: Tensor
    diversity: Tensor
    view_spread: Tensor
    spread: Tensor
    error: Tensor | None
    drawn: Tensor | None


class PoseGen:
    """Generator and discriminator, trained together, with the estimator's error fed back (paper, Figure 2)."""

    def __init__(
        self,
        *,
        renderer: Renderer,
        estimator: PoseEstimator,
        prior: Prior,
        discriminator: Discriminator,
        real_poses: RealPoses,
        appearance: Appearance,
        settings: Settings,
        rng: torch.Generator,
    ) -> None:
        self.renderer, self.estimator, self.prior = renderer, estimator, prior
        self.real_poses, self.appearance, self.settings = real_poses, appearance, settings
        sizes = settings.generator
        self.generator = PoseGenerator(sizes.z_dim, sizes.width, sizes.stages, rng=rng).to(settings.device)
        self.discriminator = discriminator
        self.adam_g = torch.optim.Adam(self.generator.parameters(), lr=sizes.lr, fused=True)
        self.adam_d = torch.optim.Adam(discriminator.parameters(), lr=sizes.discriminator_lr, fused=True)
        self.pool = PosePool()
        self.rng, self.iteration = rng, 0
        self.joint_set = renderer.body.joint_set(estimator.joint_set)
        self.mode = settings.feedback.mode
        if self.mode == "auto":
            self.mode = "rendered" if renderer.differentiable and estimator.differentiable else "label"

    def train(self, until: int) -> Iterator[Progress]:
        """Iterate up to iteration ``until``: a warm-up in which poses become human, then with feedback as well."""
        warmup, feedback = self.settings.loop.warmup, self.settings.feedback
        while self.iteration < until:
            after = self.iteration - warmup
            self.iteration += 1
            yield self.step(self.rng, with_feedback=feedback.w2 > 0 and after >= 0 and after % feedback.every == 0)

    def step(self, rng: torch.Generator, *, with_feedback: bool) -> Progress:
        loop, weights = self.settings.loop, self.settings.feedback
        theta, view = self.propose(loop.batch, rng)

        self.discriminator.requires_grad_(True)
        real_scores = self.discriminator.scores(self.real_poses.sample(loop.batch, rng))
        fake_scores = self.discriminator.scores(self.pool.swap(theta.detach(), rng))
        discriminator_loss = losses.discriminator(real_scores, fake_scores)
        self._descend(discriminator_loss, self.adam_d)

        self.discriminator.requires_grad_(False)
        adversarial = losses.adversarial(self.discriminator.scores(theta))
        total, error, drawn = weights.w1 * adversarial, None, None
        if weights.w3:
            total = total + weights.w3 * losses.crowding(view)
        if weights.w4:
            total = total + weights.w4 * losses.joint_limits(theta, *self.real_poses.range)
        if with_feedback:
            # looks come from a stream of their own, so that with and without feedback a seed draws the same z and poses
            looks = stream(self.settings.seed, "feedback", self.iteration)
            feedback, error, drawn = self.feedback(theta[: weights.samples], view[: weights.samples], looks)
            total = total + weights.w2 * feedback
        self._descend(total, self.adam_g)
        return Progress(
            discriminator=discriminator_loss.detach(),
            adversarial=adversarial.detach(),
            total=total.detach(),
            diversity=theta.detach().std(0).mean(),
            view_spread=losses.view_spread(view.detach()),
            spread=torch.cat([real_scores, fake_scores]).detach().std(0).mean(),
            error=error,
            drawn=drawn,
        )

    def propose(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """-> theta (n,23,3), view K (n,3)."""
        z = self.prior.sample(n, self.settings.generator.z_dim, rng).to(self.settings.device)
        theta, view = self.generator(z)
        return theta, leveled(view) if self.settings.loop.views == "level" else view

    def feedback(self, theta: Tensor, view: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """L_fb (Eq 6-7) with the gradient of the chosen mode, and ``error`` and ``drawn`` as in ``Progress``.

        A picture that does not show every limb says nothing of the estimator: nothing is gained by it, and the mean
        leaves it out.

        ``rendered``: through estimator, image and renderer to theta and K (the paper).  ``label``: the estimate is a
        constant (the published script).  ``score``: the error alone, of samples around theta and K (black boxes).
        """
        s = self.settings.feedback
        sample = (theta, view)
        if self.mode == "score":
            sample = (_around(theta, s.sigma, rng), _around(view, s.sigma, rng))
        with torch.set_grad_enabled(self.mode == "rendered"):
            estimate, counts = self.look(*sample, rng)
        truth = self.renderer.body.joints(*sample, self.estimator.joint_set)
        error = losses.joint_error(estimate.joints, truth, self.joint_set)
        seen = error.detach()
        worst = seen.max() if s.scenario == "in_distribution" else s.c
        loss = torch.where(counts, losses.feedback(error, s.scenario, s.c, s.clamp), worst)
        mean, drawn = torch.where(counts, seen, 0).sum() / counts.sum().clamp(min=1), counts.float().mean()
        if self.mode == "score":
            return losses.score_function(loss.detach(), sample, (theta, view), s.sigma), mean, drawn
        return loss.mean(), mean, drawn

    def look(self, theta: Tensor, view: Tensor, rng: torch.Generator) -> tuple[Estimate, Tensor]:
        """Draw the person and let the estimator look; -> what it says, and (n,) whether every limb was drawn."""
        render, camera, joints = picture(self.renderer, theta, view, self.settings.camera, rng)
        image = self.appearance.compose(render, rng)
        estimate = self.estimator.predict(self.estimator.crop(image, box_from_alpha(render.alpha)))
        return estimate, whole(render, camera, joints)

    @torch.no_grad()
    def draw(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """n proposals of the learned distribution (batch norm with its running statistics)."""
        self.generator.eval()
        theta, view = self.propose(n, rng)
        self.generator.train()
        return theta, view

    def _descend(self, loss: Tensor, adam: torch.optim.Adam) -> None:
        adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_([p for group in adam.param_groups for p in group["params"]], self.settings.loop.clip)
        adam.step()


def picture(
    renderer: Renderer, theta: Tensor, view: Tensor, settings: CameraSettings, rng: torch.Generator
) -> tuple[Render, Camera, Tensor]:
    """theta (N,23,3) from view K (N,3) -> what is drawn, by which camera, and joints smpl24 (N,24,3), world."""
    away = distances(len(view), settings.distance, settings.spread, rng)
    joints = renderer.body.joints(theta)
    camera = frame(orbit(view, distance=away, size=settings.size), joints)
    return renderer.render(theta, camera), camera, joints


def whole(render: Render, camera: Camera, joints: Tensor) -> Tensor:
    """Whether every limb is drawn: (N,) of pictures by these cameras of joints smpl24 (N,24,3), world."""
    return shown(render.alpha, camera.project(joints)[:, list(JOINT_SETS["smpl24"].limbs)]).all(1)


def _around(mean: Tensor, sigma: float, rng: torch.Generator) -> Tensor:
    """A sample of Normal(mean, sigma^2), constant for autograd."""
    return mean.detach() + sigma * torch.randn(mean.shape, generator=rng, device=rng.device).to(mean)
