import pytest

from posegen.testing import Check, checks


@pytest.mark.parametrize("check", checks("discriminator"), ids=str)
@pytest.mark.parametrize("options", [{}, {"width": 16, "out_width": 8}], ids=["default", "small"])
def test_parts_conforms(options: dict[str, int], check: Check) -> None:
    check("parts", options)
