"""What a plugin must be. The protocols are structural: nothing needs to inherit from them.

A component class is built as ``Class(options, device=device)``, where ``options`` is an instance of its nested
``Options`` (a ``posegen.Options``, that is a frozen pydantic model that forbids unknown keys).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Generator, Tensor, nn

    from posegen.body import Body
    from posegen.options import Options
    from posegen.types import Camera, Clip, Estimate, Render, Views


@runtime_checkable
class Prior(Protocol):
    """The distribution of z (Eq 3-5)."""

    def sample(self, n: int, dim: int, generator: Generator) -> Tensor:
        """-> (n, dim) float32 on the generator's device."""
        ...


@runtime_checkable
class Renderer(Protocol):
    """Draws a body. ``differentiable``: gradients reach the pose and the camera through the image.

    ``of_subject``, where a class has it: the names of its options that are of ``subject`` alone, and are left out when
    somebody else of the same run is drawn.
    """

    differentiable: bool
    body: Body
    """The body that is drawn, subject's shape included: labels come from it."""

    def render(self, pose: Tensor, camera: Camera) -> Render:
        """pose theta (N,23,3) axis-angle with the pelvis at the world's origin and no root rotation -> N images."""
        ...


@runtime_checkable
class Fittable(Protocol):
    """What the class of a renderer may also have: a person learned from images (``posegen fit``).

    With ``read_views(path) -> Views`` and ``write_views(path, views)`` it takes and gives training files of its own.
    With ``check_fit(options, out, resume)`` it says what is wrong with an interrupted fit before views are drawn.
    """

    FitOptions: type[Options]

    @classmethod
    def fit(
        cls,
        views: Views,
        options: Any,
        out: Path,
        *,
        resume: bool = False,
        progress: Callable[[int, int, Mapping[str, float]], None] | None = None,
    ) -> Mapping[str, float]:
        """Learn from ``views`` with an instance of ``FitOptions``, and write what ``--set renderer.subject`` takes.

        progress: told of steps done, steps in all, and figures to show. resume: go on from what an interrupted fit
        left beside ``out``. Returns figures on the held-out images.
        """
        ...


@runtime_checkable
class PoseEstimator(Protocol):
    """Looks at a crop and says where the joints are.

    ``differentiable``: gradients reach the crop.  ``module``: the network that fine-tuning trains, or None for a
    black box.  ``lr``: the learning rate that suits its fine-tuning.  ``frozen``: patterns (``fnmatch``) of the names
    of parameters that fine-tuning leaves as they are.

    What an estimator may have beside these: ``pace``, a ``posegen.pace.Pace`` that suits its fine-tuning;
    ``weights``, a name of the weights that every result shows; ``smpl``, the neutral SMPL that its weights carry, or
    None, which stands in for a file of it that is not registered; ``looks``, 2 where ``predict`` turns people who lean
    upright and looks again (``posegen.looks``), so that fine-tuning shows it half of them upright;
    ``official_checkpoint()``, the content of an upstream
    checkpoint with the present weights, for ``posegen export-weights``; ``square(box)``, the centre (N,2) and height
    (N,) in pixels of what ``crop`` cuts out, by which training knows where in a crop the joints are; and
    ``context(picture, box, intrinsics=None)``,
    where it must know the place of the crop in the whole picture: width and height (N,2) of the pictures, person boxes
    (N,4) in them, both pixels, and camera intrinsics (N,3,3) where known -> (N,k), the second argument of its
    ``predict(crop, context=None)``. Renders and photographs that are cut around the person are shown without context.
    """

    joint_set: str
    input_size: int | tuple[int, int]
    """Pixels of the crop: the side of a square, or height and width."""
    differentiable: bool
    module: nn.Module | None
    lr: float
    frozen: tuple[str, ...]

    def crop(self, image: Tensor, box: Tensor) -> Tensor:
        """image (N,3,H,W) and person boxes (N,4) x0,y0,x1,y1 pixels -> (N,3,*input_size), its own preprocessing.

        Differentiable with respect to the image.
        """
        ...

    def predict(self, crop: Tensor) -> Estimate:
        """What ``crop`` returned -> joints of ``joint_set``, metres, camera axes. Gradients flow unless disabled.

        Where they are, when it measures, it may look more than once (HybrIK's flip test).
        """
        ...


@runtime_checkable
class Discriminator(Protocol):
    """Judges poses; an ``nn.Module`` so that the loop can train it (Eq 9-10)."""

    def scores(self, pose: Tensor) -> Tensor:
        """pose theta (N,23,3) axis-angle -> (N, heads), 1 for real and 0 for generated."""
        ...

    def parameters(self) -> Any: ...

    def requires_grad_(self, requires_grad: bool = True) -> Any: ...

    def state_dict(self) -> dict[str, Any]: ...


@runtime_checkable
class BodySource(Protocol):
    """Where a body model comes from (kind ``body``)."""

    def body(self, betas: Sequence[float] | Tensor | None = None) -> Body:
        """The body with this shape (10 betas; None is the mean shape)."""
        ...


@runtime_checkable
class Motion(Protocol):
    """Real poses (kind ``motion``): what the discriminator calls human, and what the benchmark is rendered from."""

    def clips(self, split: str) -> list[Clip]:
        """``split`` is ``train``, ``validation`` or ``test``."""
        ...


@runtime_checkable
class Photos(Protocol):
    """Photographs (kind ``photos``): square crops of people, and images to stand behind a rendered person."""

    def people(self, split: str) -> Tensor:
        """(N,3,256,256) float32 crops of real people; ``split`` is ``train`` or ``test``."""
        ...

    def people_joints(self, split: str) -> tuple[str, Tensor]:
        """Joint set and a stronger model's joints (N,J,3) in metres, camera axes, for ``people(split)``."""
        ...

    def backgrounds(self, split: str) -> Tensor:
        """(N,3,256,256) float32 images without people; ``split`` is ``train`` or ``test``."""
        ...
