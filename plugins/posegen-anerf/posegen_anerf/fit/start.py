"""Going on from another person, or from this one as it was learned before."""

from __future__ import annotations

from posegen.errors import UsageError
from posegen_anerf.field import Field
from posegen_anerf.fit.options import FitOptions
from posegen_anerf.sources import open_subject

_FIELD = ("width", "depth", "skip", "view_width", "multires", "multires_views", "cutoff")


def start_of(options: FitOptions) -> Field | None:
    """The field that ``options.start`` names, as it is drawn; None where there is none.

    Raises UsageError for one that is built otherwise than the options say, AssetError for a file that cannot be used.
    """
    if options.start is None:
        return None
    subject = open_subject(options.start)
    config = subject.config
    if not config.single or config.density_scale != 1 or config.framecodes or options.framecode:
        raise UsageError(
            f"start={options.start}: only one network without codes, scale 1, can be gone on from",
            "leave start or framecode out",
        )
    own = {name: getattr(config, name) for name in _FIELD}
    differs = [f"{name}={value}" for name, value in own.items() if getattr(options, name) != value]
    if differs:
        raise UsageError(
            f"start={options.start} is a field with {', '.join(differs)}", " ".join(f"--set {one}" for one in differs)
        )
    return subject.fine
