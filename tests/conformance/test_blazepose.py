import pytest

from posegen.testing import Check, checks


@pytest.mark.parametrize("variant", ["lite", "full"])
@pytest.mark.parametrize("check", checks("estimator"), ids=str)
def test_conforms(check: Check, variant: str) -> None:
    check("blazepose", {"variant": variant})
