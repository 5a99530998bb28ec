import pytest

from posegen.testing import Check, checks


@pytest.mark.parametrize("check", checks("estimator"), ids=str)
def test_conforms(check: Check) -> None:
    check("cliff", {"weights": "untrained", "precision": "float32"})
