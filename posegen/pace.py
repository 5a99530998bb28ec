"""How fine-tuning suits an estimator: what counts where the settings do not say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from posegen.protocols import PoseEstimator
    from posegen.settings import FinetuneSettings, RetainSettings


class Pace(NamedTuple):
    """Each is the setting of the same name, in ``finetune`` or ``retain``."""

    epochs: int = 3
    batch: int = 32
    optimizer: Literal["adam", "muon"] = "adam"
    rotations: float = 0.0
    heatmaps: float = 0.0
    turn: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    replay: float = 0.4
    repeats: float = 4.0
    photos: float = 1.0
    share: float = 0.25
    average: float = 1.0

    @property
    def replayed(self) -> int:
        """Pictures of a batch that are replayed."""
        return round(self.batch * self.replay)

    @property
    def fresh(self) -> int:
        """Pictures of a batch that are generated samples: at least one."""
        return max(1, self.batch - self.replayed)

    @property
    def recalled(self) -> int:
        """Photographs, or renders, beside a batch that are distilled: at least one."""
        return max(1, round(self.batch * self.share))


def paced(finetune: FinetuneSettings, retain: RetainSettings, estimator: PoseEstimator | None = None) -> Pace:
    """What the settings say, or else the estimator, or else ``Pace``.

    Who gives photographs wants them kept, whatever weight the estimator gives to those of others.
    """
    own: Pace = getattr(estimator, "pace", Pace())
    if retain.folder is not None and not own.photos:
        own = own._replace(photos=Pace().photos)
    said = finetune.model_dump() | retain.model_dump()
    return own._replace(**{name: said[name] for name in Pace._fields if said[name] is not None})
