"""Registering, finding and verifying the files that users bring."""

from __future__ import annotations

import errno
import io
import zipfile

import pytest

from posegen import AssetError, UsageError, assets
from posegen.cli.assets import needed_by
from posegen.registry import KnownAsset, Registry, registry


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("POSEGEN_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.fixture
def smpl(tmp_path):
    file = tmp_path / "basicModel_neutral_lbs_10_207_0_v1.0.0.pkl"
    file.write_bytes(b"\x80\x02}q\x00.")
    return file


def test_what_was_set_is_found(smpl):
    assert assets.register("smpl-neutral", smpl) == smpl
    assert assets.find("smpl-neutral") == smpl
    assert assets.verify("smpl-neutral").startswith("sha256 ")


def test_a_relative_path_is_stored_absolute(smpl, monkeypatch):
    monkeypatch.chdir(smpl.parent)
    assets.register("smpl-neutral", smpl.relative_to(smpl.parent))
    assert assets.find("smpl-neutral") == smpl


def test_a_folder_stands_for_the_file_in_it(smpl):
    assert assets.register("smpl-neutral", smpl.parent) == smpl


def test_a_folder_without_the_file_names_what_is_accepted(tmp_path):
    with pytest.raises(AssetError, match=r"basicModel_neutral_lbs_10_207_0_v1\.0\.0\.pkl, .*SMPL_NEUTRAL\.npz"):
        assets.register("smpl-neutral", tmp_path)


def test_a_data_set_is_known_by_what_it_contains(tmp_path):
    with pytest.raises(AssetError, match="is not 3D Poses in the Wild") as error:
        assets.register("3dpw", tmp_path)
    assert "sequenceFiles" in error.value.hint
    (tmp_path / "sequenceFiles").mkdir()
    assert assets.register("3dpw", tmp_path) == tmp_path
    assert assets.verify("3dpw") == "folder"


def test_not_registered_names_command_page_and_licence():
    with pytest.raises(
        AssetError, match=r"'smpl-neutral' is not registered.*smplify\.is\.tue.*non-commercial"
    ) as error:
        assets.find("smpl-neutral")
    assert error.value.hint == "posegen assets set smpl-neutral PATH"
    assert error.value.exit_code == 3


def test_a_name_that_nobody_knows():
    with pytest.raises(AssetError, match="is not registered"):
        assets.find("something-of-a-third-party")


def test_a_file_that_was_moved_away(smpl):
    assets.register("smpl-neutral", smpl)
    smpl.unlink()
    with pytest.raises(AssetError, match="which is not there") as error:
        assets.find("smpl-neutral")
    assert error.value.hint == "posegen assets set smpl-neutral PATH"


def test_an_unknown_name_proposes_the_nearest(smpl):
    with pytest.raises(UsageError, match="no asset 'smpl-neutrl'") as error:
        assets.register("smpl-neutrl", smpl)
    assert "did you mean 'smpl-neutral'?" in error.value.hint


def whole_zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("data.pkl", bytes(5000))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (b"\n<!DOCTYPE html><title>Log in</title>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "git-lfs pointer"),
        (whole_zip()[:-40], "is truncated"),
    ],
)
def test_files_that_cannot_be_the_asset(tmp_path, content, cause):
    file = tmp_path / "model_checkpoint.pt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AssetError, match=cause):
        assets.register("spin-checkpoint", file)
    assert assets.registered() == {}


def test_a_whole_zip_is_accepted(tmp_path):
    file = tmp_path / "renamed.pt"
    file.write_bytes(whole_zip())
    assert assets.register("spin-checkpoint", file) == file


def test_a_checkpoint_under_the_name_that_posegens_script_gives_it(tmp_path):
    file = tmp_path / "checkpoint_normal9.pth"
    file.write_bytes(whole_zip())
    assert assets.register("spin-checkpoint", file) == file


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "smpl.fbx").write_bytes(b"x")
    with pytest.raises(AssetError, match=r"a \.npz or \.pkl file is expected"):
        assets.register("smpl-neutral", tmp_path / "smpl.fbx")


def test_a_change_since_it_was_registered_is_seen(smpl):
    assets.register("smpl-neutral", smpl)
    smpl.write_bytes(b"\x80\x02}q\x01.")
    with pytest.raises(AssetError, match="has changed since"):
        assets.verify("smpl-neutral")


def test_a_published_checksum_is_compared(smpl, monkeypatch):
    assets.register("smpl-neutral", smpl)
    known = KnownAsset("smpl-neutral", "SMPL", "https://x", "y", files=(smpl.name,), sha256="0" * 64)
    monkeypatch.setattr(assets, "registry", lambda: Registry({}, (), {"smpl-neutral": known}))
    with pytest.raises(AssetError, match="not the published file: its sha256 is"):
        assets.verify("smpl-neutral")


@pytest.mark.parametrize("text", ["smpl-neutral = ", "smpl-neutral = 3", "[smpl-neutral]\nsha256 = 'a'", "\x00"])
def test_a_damaged_list_is_named(config, text):
    config.mkdir()
    (config / "assets.toml").write_text(text)
    with pytest.raises(AssetError, match=r"assets\.toml"):
        assets.find("smpl-neutral")


def test_a_full_disk_leaves_the_list_as_it_was(smpl, config, monkeypatch):
    assets.register("smpl-neutral", smpl)
    before = (config / "assets.toml").read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(AssetError, match="cannot be written: No space left"):
        assets.register("smpl-male", smpl)
    assert [file.name for file in config.iterdir()] == ["assets.toml"]
    assert (config / "assets.toml").read_bytes() == before


def test_a_third_partys_own_asset_can_be_set(distribution, monkeypatch, smpl):
    from posegen.discovery import discover

    source = (
        "import posegen\n@posegen.hookimpl\ndef posegen_components():\n"
        "    yield posegen.Component('estimator', 'tiny', 'a:B', assets=('tiny-weights',))\n"
    )
    monkeypatch.syspath_prepend(distribution("posegen-tiny", "with_asset", source))
    discover.cache_clear()
    try:
        assert assets.register("tiny-weights", smpl) == smpl
    finally:
        discover.cache_clear()


def test_the_config_folder_follows_the_platform(monkeypatch, tmp_path):
    monkeypatch.delenv("POSEGEN_CONFIG_DIR")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert assets.config_dir() == tmp_path / "posegen"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("APPDATA", str(tmp_path / "roaming"))
    assert assets.config_dir() == tmp_path / "roaming" / "posegen"


def test_every_known_asset_can_be_registered_under_its_official_name(tmp_path):
    for asset in registry().assets.values():
        for name in asset.files:
            file = tmp_path / name
            file.write_bytes(b"\x80content")
            assert assets.register(asset.name, file) == file


def test_what_needs_an_asset_is_known():
    assert needed_by("spin-checkpoint") == ["estimator spin, for its published weights"]
    assert needed_by("agora") == ["dataset agora", "dataset agora-smplx"]
    assert any("3dpw/spin" in each for each in needed_by("smpl-male"))
    assert needed_by("something") == []
