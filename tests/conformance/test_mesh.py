import pytest

from posegen.testing import checks


@pytest.mark.parametrize("check", checks("renderer"), ids=str)
@pytest.mark.parametrize("options", [{}, {"subject": "s5", "supersampling": 1}], ids=["default", "s5"])
def test_mesh_conforms(check, options):
    check("mesh", options=options)
