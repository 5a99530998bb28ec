"""What a user can get wrong."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from posegen_mesh.light import Light
from posegen_mesh.renderer import MeshRenderer
from posegen_starter import subjects
from pydantic import ValidationError

from posegen.errors import AssetError, UsageError
from posegen.geometry import orbit
from posegen.protocols import Renderer


@pytest.fixture(scope="module")
def mesh():
    return MeshRenderer(MeshRenderer.Options())


CAMERA = orbit(torch.zeros(2, 3), size=32)
POSE = torch.zeros(2, 23, 3)
LIGHT = Light(torch.ones(2, 3), torch.ones(2), torch.ones(2, 3))


def test_importing_the_top_module_is_light():
    heavy = "import sys, posegen_mesh; print([m for m in ('torch', 'numba', 'numpy', 'pydantic') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_it_is_a_renderer_without_gradients(mesh):
    assert isinstance(mesh, Renderer)
    assert mesh.differentiable is False
    out = mesh.render(POSE.clone().requires_grad_(), CAMERA)
    assert not out.image.requires_grad
    assert out.image.dtype == out.alpha.dtype == torch.float32


@pytest.mark.parametrize(("name", "hint"), [("s8", "did you mean 's"), ("anna", "s0, s1"), ("S0", "did you mean 's0'")])
def test_an_unknown_subject(name, hint):
    with pytest.raises(UsageError, match=name) as caught:
        MeshRenderer(MeshRenderer.Options(subject=name))
    assert hint in caught.value.hint


@pytest.mark.parametrize("options", [{"supersampling": 0}, {"ambient": 1.5}, {"threads": 0}, {"subjekt": "s0"}])
def test_impossible_options(options):
    with pytest.raises(ValidationError):
        MeshRenderer.Options(**options)


@pytest.mark.parametrize(
    ("pose", "said"),
    [
        (torch.zeros(2, 24, 3), "pose has shape (2, 24, 3), where (2, 23, 3) is needed"),
        (torch.zeros(2, 69), "pose has shape (2, 69)"),
        (torch.zeros(23, 3), "pose has shape (23, 3)"),
        (torch.tensor(1.0), "pose has shape ()"),
        (torch.zeros(3, 23, 3), "camera rotation has shape (2, 3, 3), where (3, 3, 3) is needed"),
        (POSE + torch.nan, "pose holds values that are not finite"),
        (POSE + torch.inf, "pose holds values that are not finite"),
    ],
)
def test_a_pose_that_cannot_be_drawn(mesh, pose, said):
    with pytest.raises(UsageError) as caught:
        mesh.render(pose, CAMERA)
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        (replace(CAMERA, translation=torch.zeros(2, 4)), "camera translation has shape (2, 4)"),
        (replace(CAMERA, intrinsics=torch.eye(3)), "camera intrinsics has shape (3, 3)"),
        (replace(CAMERA, translation=torch.full((2, 3), torch.nan)), "camera translation holds values"),
        (replace(CAMERA, width=0), "0 x 32 pixels"),
    ],
)
def test_a_camera_that_cannot_be_used(mesh, camera, said):
    with pytest.raises(UsageError) as caught:
        mesh.render(POSE, camera)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("light", "said"),
    [
        (replace(LIGHT, direction=torch.ones(1, 3)), "light direction has shape (1, 3)"),
        (replace(LIGHT, ambient=torch.tensor([0.5, 1.5])), "ambient is a share"),
        (replace(LIGHT, colour=-torch.ones(2, 3)), "no colour is below 0"),
        (replace(LIGHT, colour=torch.full((2, 3), torch.nan)), "light colour holds values"),
    ],
)
def test_a_light_that_cannot_shine(mesh, light, said):
    with pytest.raises(UsageError) as caught:
        mesh.render(POSE, CAMERA, light)
    assert said in str(caught.value)


def test_no_image_is_no_error(mesh):
    out = mesh.render(torch.zeros(0, 23, 3), orbit(torch.zeros(0, 3), size=16))
    assert out.image.shape == (0, 3, 16, 16)
    assert out.alpha.shape == (0, 1, 16, 16)


@pytest.mark.parametrize("size", [1e30, 1e200])
def test_finite_but_absurd_numbers_draw_nothing_and_do_not_crash(mesh, size):
    for pose, camera in (
        (POSE, replace(CAMERA, translation=torch.full((2, 3), size, dtype=torch.float64))),
        (POSE, replace(CAMERA, rotation=CAMERA.rotation.double() * size)),
        (POSE, replace(CAMERA, intrinsics=CAMERA.intrinsics.double() * size)),
        (POSE.double() + size, CAMERA),
    ):
        out = mesh.render(pose, camera)
        assert torch.isfinite(out.image).all()
        assert out.alpha.max() <= 1


def test_a_subject_of_another_release_is_refused(monkeypatch):
    stretched = replace(subjects.subject("s6"), betas=subjects.subject("s0").betas)
    prepared = replace(MeshRenderer(MeshRenderer.Options(subject="s6"))._scene, subject=stretched)
    monkeypatch.setattr("posegen_mesh.renderer.scene", lambda name: prepared)
    with pytest.raises(AssetError, match="mm from those of its body"):
        MeshRenderer(MeshRenderer.Options(subject="s6"))


def test_it_draws_where_no_cache_folder_can_be_written():
    program = (
        "import numba.core.caching as c, torch; c.CacheImpl._locator_classes = []\n"
        "from posegen_mesh.texture import address; print(address(0.5, 0.5, 4, 8))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "(1, 3, 0.5, 0.5)\n", done.stderr
