"""Stage 1: samples whose labels fit their pictures."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from blob_parts import PLAIN, appearance, body, rng
from posegen_mesh.renderer import MeshRenderer

from posegen import generate, losses
from posegen.datasets.generated import Samples, concatenate
from posegen.generate import render_samples
from posegen.geometry import frame, orbit
from posegen.protocols import Renderer
from posegen.settings import AppearanceSettings, CameraSettings
from posegen.testing.blobs import BlobEstimator, BlobRenderer
from posegen.types import Camera, Render

SIZE = 64


def proposals(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = rng(3)
    return 0.3 * torch.randn(n, 23, 3, generator=random), torch.randn(n, 3, generator=random)


def draw(
    renderer: Renderer, n: int = 5, varied: AppearanceSettings = PLAIN, judged: bool = True, **camera: Any
) -> list[Samples]:
    return list(
        render_samples(
            *proposals(n),
            renderer=renderer,
            estimator=BlobEstimator(rng(2)),
            appearance=appearance(varied),
            camera=CameraSettings(**{"size": SIZE} | camera),
            rng=rng(4),
            judged=judged,
        )
    )


@pytest.fixture(scope="module")
def mesh() -> MeshRenderer:
    return MeshRenderer(MeshRenderer.Options())


class TestSamples:
    def test_shapes_and_kinds(self, mesh: MeshRenderer) -> None:
        (drawn,) = draw(mesh)
        assert drawn.image.shape == (5, 3, SIZE, SIZE) and drawn.image.dtype == torch.uint8
        assert drawn.alpha.shape == (5, 1, SIZE, SIZE) and drawn.alpha.dtype == torch.uint8
        assert (drawn.box.shape, drawn.truth.shape, drawn.error.shape) == ((5, 4), (5, 24, 3), (5,))
        theta, view = proposals(5)
        assert torch.equal(drawn.theta, theta) and torch.equal(drawn.view, view)
        assert not any(getattr(drawn, name).requires_grad for name in ("truth", "error", "box"))

    @pytest.mark.parametrize("distance", [2.5, 4.0, 8.0])
    def test_truth_lies_in_the_picture(self, mesh: MeshRenderer, distance: float) -> None:
        """The labels, projected by the camera that drew, fall on the person: all are of one picture."""
        (drawn,) = draw(mesh, distance=distance)
        camera = frame(orbit(drawn.view, distance=distance, size=SIZE), mesh.body.joints(drawn.theta))
        seen = drawn.truth + camera.translation[:, None]
        pixels = seen @ camera.intrinsics.transpose(-1, -2)
        pixels = (pixels[..., :2] / pixels[..., 2:]).floor().long().clamp(0, SIZE - 1)
        on = torch.nn.functional.max_pool2d((drawn.alpha > 127).float(), 3, 1, 1)
        hit = on[torch.arange(5)[:, None], 0, pixels[..., 1], pixels[..., 0]]
        assert hit.mean() > 0.97

    def test_the_box_holds_the_person(self, mesh: MeshRenderer) -> None:
        (drawn,) = draw(mesh)
        for alpha, (x0, y0, x1, y1) in zip(drawn.alpha[:, 0] > 128, drawn.box.int().tolist(), strict=True):
            assert alpha[y0:y1, x0:x1].sum() == alpha.sum()
            assert max(x1 - x0, y1 - y0) > 0.4 * SIZE, "the person fills the picture"
            assert x0 > 0 and y0 > 0 and x1 < SIZE and y1 < SIZE, "and nothing is cut off"

    def test_error_is_what_the_estimator_is_off(self) -> None:
        (drawn,) = draw(BlobRenderer(body()))
        estimator = BlobEstimator(rng(2))
        image = appearance().compose(drawn.render(), rng())
        estimate = estimator.predict(estimator.crop(image, drawn.box)).joints
        expected = losses.joint_error(estimate, drawn.truth, body().joint_set("smpl24"))
        torch.testing.assert_close(drawn.error, expected.detach(), atol=5e-3, rtol=0)  # the picture is rounded to bytes

    def test_nobody_looks_where_nobody_asks(self, mesh: MeshRenderer) -> None:
        """Replayed samples need no error: everything else of them is the same."""
        (drawn,), (judged,) = draw(mesh, judged=False), draw(mesh)
        assert drawn.error.isnan().all() and judged.error.isfinite().all()
        for name in ("image", "alpha", "box", "theta", "view", "truth"):
            assert torch.equal(getattr(drawn, name), getattr(judged, name)), name

    def test_colour_is_never_above_alpha(self) -> None:
        """Files keep straight alpha, which cannot say more: a careless renderer must not break the round trip."""

        class Glowing(BlobRenderer):
            def render(self, pose: torch.Tensor, camera: Camera) -> Render:
                render = super().render(pose, camera)
                return Render(render.image + 0.1, render.alpha)

        (drawn,) = draw(Glowing(body()))
        assert (drawn.image <= drawn.alpha).all()


class TestBatch:
    """How many are rendered at once is nobody's business."""

    def drawn(
        self, monkeypatch: pytest.MonkeyPatch, renderer: Renderer, size: int, varied: AppearanceSettings
    ) -> Samples:
        monkeypatch.setattr(generate, "BATCH", size)
        return concatenate(draw(renderer, 7, varied))

    @pytest.mark.parametrize("size", [1, 3, 7])
    def test_pictures_and_labels_are_the_same(self, monkeypatch, mesh: MeshRenderer, size: int) -> None:
        whole = self.drawn(monkeypatch, mesh, 32, PLAIN)
        parts = self.drawn(monkeypatch, mesh, size, PLAIN)
        for name in ("theta", "view"):
            assert torch.equal(getattr(whole, name), getattr(parts, name))
        torch.testing.assert_close(parts.truth, whole.truth, atol=1e-6, rtol=0)
        assert torch.equal(parts.box, whole.box)
        for name in ("image", "alpha"):  # the camera may differ in its last bit
            difference = (getattr(parts, name).int() - getattr(whole, name).int()).abs()
            assert difference.max() <= 1 and (difference > 0).float().mean() < 1e-3
        torch.testing.assert_close(parts.error, whole.error, atol=1e-4, rtol=0)

    def test_a_sample_where_nobody_is_seen_is_left_out(self) -> None:
        class Shy(BlobRenderer):
            def render(self, pose: torch.Tensor, camera: Camera) -> Render:
                render = super().render(pose, camera)
                seen = torch.tensor([1.0, 0.0, 1.0, 0.5, 0.0])[:, None, None, None]
                return Render(render.image * seen, render.alpha * seen)

        (drawn,) = draw(Shy(body()))
        theta, view = proposals(5)
        assert torch.equal(drawn.theta, theta[[0, 2]]) and torch.equal(drawn.view, view[[0, 2]])
        assert len(drawn.image) == len(drawn.box) == len(drawn.truth) == len(drawn.error) == 2
