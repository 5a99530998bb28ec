import pytest

from posegen.testing import Check, checks


@pytest.mark.parametrize("check", checks("prior"), ids=str)
@pytest.mark.parametrize("name", ["normal", "uniform", "spherical"])
def test_conforms(name: str, check: Check) -> None:
    check(name)
