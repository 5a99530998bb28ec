"""How fine-tuning suits an estimator, and what goes before that."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from posegen.pace import Pace, paced
from posegen.settings import FinetuneSettings, RetainSettings


def estimator(**own):
    return SimpleNamespace(pace=Pace(**own))


def test_settings_go_before_the_estimator_and_the_estimator_before_the_rest():
    made = paced(
        FinetuneSettings(batch=8, turn=0.0), RetainSettings(replay=0.0), estimator(batch=64, turn=15.0, epochs=9)
    )
    assert (made.batch, made.turn, made.replay, made.epochs, made.zoom) == (8, 0.0, 0.0, 9, 0.0)
    assert paced(FinetuneSettings(), RetainSettings(), SimpleNamespace()) == Pace()


def test_the_pictures_of_a_batch():
    made = Pace(batch=64, replay=0.625, share=0.25)
    assert (made.replayed, made.fresh, made.recalled) == (40, 24, 16)
    assert (Pace(batch=4, replay=1.0).fresh, Pace(batch=4, share=0.01).recalled) == (1, 1)


@pytest.mark.parametrize(
    ("retain", "weight"), [({}, 0.0), ({"folder": Path("mine")}, 1.0), ({"folder": Path("mine"), "photos": 0.0}, 0.0)]
)
def test_photographs_that_are_given_are_kept_by_an_estimator_without_any(retain, weight):
    assert paced(FinetuneSettings(), RetainSettings(**retain), estimator(photos=0.0)).photos == weight
