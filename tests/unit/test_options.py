"""What every options class says yes and no to, those of plugins included: they inherit it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, PositiveFloat, PositiveInt, ValidationError

from posegen import Options
from posegen.options import Seed


class Some(Options):
    whole: PositiveInt = 1
    number: float | None = None
    pair: tuple[PositiveFloat, PositiveFloat] = (1, 2)
    bounded: float = Field(default=0, ge=0, lt=1)
    switch: bool | None = None
    words: tuple[str, ...] = ()
    path: Path | None = None
    seed: Seed = 0


@pytest.mark.parametrize(
    ("name", "given", "taken"),
    [
        ("number", 5, 5.0),
        ("number", None, None),
        ("whole", 1e3, 1000),
        ("pair", [3, 4], (3.0, 4.0)),
        ("switch", True, True),
        ("words", ["a"], ("a",)),
        ("path", "/a/b", Path("/a/b")),
        ("seed", 2**63 - 1, 2**63 - 1),
    ],
)
def test_what_toml_says_is_taken_as_it_is_meant(name, given, taken):
    found = getattr(Some(**{name: given}), name)
    assert found == taken and type(found) is type(taken)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        *((name, number) for name in ("whole", "number", "bounded") for number in (float("inf"), float("nan"), True)),
        ("pair", [1.0, True]),
        ("pair", [1.0, float("inf")]),
        ("words", [True]),
        ("path", True),
        ("seed", 2**63),
        ("seed", -1),
    ],
)
def test_what_is_no_such_value_is_refused(name, given):
    with pytest.raises(ValidationError):
        Some(**{name: given})
