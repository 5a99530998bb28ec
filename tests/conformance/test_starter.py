import pytest

from posegen.testing import checks


@pytest.mark.parametrize("check", checks("body"), ids=str)
def test_open_body_conforms(check):
    check("open")


@pytest.mark.parametrize("check", checks("motion"), ids=str)
def test_motion_conforms(check):
    check("starter")


@pytest.mark.parametrize("check", checks("photos"), ids=str)
def test_photos_conform(check):
    check("starter")
