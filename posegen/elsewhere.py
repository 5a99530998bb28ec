"""The datasets that a user has, measured before and after beside the open benchmark (``evaluate.datasets``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from posegen.datasets import sources
from posegen.files import read_json
from posegen.scoring import stage

if TYPE_CHECKING:
    from posegen.context import Context
    from posegen.settings import Settings


def measured(context: Context, when: str) -> dict[str, Any]:
    """{dataset: outcome} of the estimator as it is now, on the datasets that the user has.

    Each is an evaluation in a folder of its own, as ``posegen evaluate --dataset`` leaves it.
    """
    found = {}
    for dataset in sources.judged(context.settings.evaluate.datasets):
        folder = context.directory.datasets / dataset.name / when
        request = stage.Request(dataset, out=folder, resume=(folder / "evaluation.json").is_file())
        done = folder / "result.json"
        found[dataset.name] = (
            read_json(done, f"delete {folder} and run with --resume", ("protocol", "people", "all", "official"))
            if done.is_file()
            else stage.measure(context.estimator, context.settings, request, context.track.console)
        )
    return found


def check(settings: Settings) -> None:
    """Raises a PosegenError for a dataset that is not there: before anything is written."""
    for dataset in sources.judged(settings.evaluate.datasets):
        dataset.place()


def compared(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The part of ``result.json`` about the user's datasets: nothing where there are none."""
    found = {}
    for name, was in before.items():
        now = after[name]
        found[name] = {
            "protocol": was["protocol"],
            "people": now["people"],
            "metrics": {
                metric: {
                    "before": figure,
                    "after": now["all"][metric],
                    "change_percent": _change(figure["mean"], now["all"][metric]["mean"]),
                }
                for metric, figure in was["all"].items()
            },
            "official": {"before": was["official"], "after": now["official"]},
        }
    return {"datasets": found} if found else {}


def _change(before: float | None, after: float | None) -> dict[str, float] | None:
    """Of the means; there is no interval, for want of each person's figures."""
    return {"mean": 100 * (after - before) / before} if before and after is not None else None
