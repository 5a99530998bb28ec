"""What a user is told of files that cannot be read or written, and what is looked at before the work."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from posegen.errors import AssetError, UsageError
from posegen.files import check_writable, disk_error, read_error, read_json


class TestWriting:
    @pytest.mark.parametrize(
        "error",
        [
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
            OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
            RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),  # safetensors'
        ],
    )
    def test_a_full_disk_wants_space(self, error: Exception) -> None:
        told = disk_error(Path("a"), error)
        assert told.message == "a could not be written: the disk is full" and "free some space" in told.hint

    @pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EISDIR, errno.ENAMETOOLONG])
    def test_nothing_else_does(self, code: int) -> None:
        told = disk_error(Path("a"), OSError(code, os.strerror(code)))
        assert told.message == f"a could not be written: {os.strerror(code)}"
        assert "space" not in told.hint and "choose another --out" in told.hint


class TestReading:
    @pytest.mark.parametrize("code", [errno.EACCES, errno.EISDIR, errno.EIO])
    def test_what_cannot_be_read_is_not_called_damaged(self, code: int) -> None:
        told = read_error(Path("a"), OSError(code, os.strerror(code)), "delete it")
        assert told.message == f"a cannot be read: {os.strerror(code)}" and "delete" not in told.hint

    def test_what_is_not_there_is_to_be_brought(self) -> None:
        told = read_error(Path("a"), FileNotFoundError(errno.ENOENT, "No such file"), "copy it")
        assert told.message == "a does not exist" and told.hint == "copy it"

    @pytest.mark.parametrize(
        ("content", "says"),
        [(b"[1]", "no table"), (b'{"a": 1}', "lacks 'b'"), (b"{", "Expecting"), (b"\xff", "utf-8"), (b"[" * 10**5, "")],
    )
    def test_a_table_of_another_shape(self, tmp_path: Path, content: bytes, says: str) -> None:
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(AssetError, match=rf"a\.json is damaged: .*{says}") as caught:
            read_json(tmp_path / "a.json", "repair", ("a", "b"))
        assert caught.value.hint == "repair"


class TestBefore:
    def test_a_place_that_will_do_is_left_as_it_was(self, tmp_path: Path) -> None:
        (tmp_path / "there").write_text("mine")
        for path in (tmp_path / "a" / "b" / "new", tmp_path / "there"):
            check_writable(path)
        assert [p.name for p in tmp_path.iterdir()] == ["there"] and (tmp_path / "there").read_text() == "mine"

    @pytest.mark.parametrize(
        ("place", "says"),
        [
            ("file/new", "a file is where a folder is needed"),
            ("file/x/new", "a file is where a folder is needed"),
            ("a/b/" + 300 * "x", "File name too long"),
        ],
    )
    def test_so_is_one_that_will_not(self, tmp_path: Path, place: str, says: str) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(UsageError, match=f"cannot be written: {says}") as caught:
            check_writable(tmp_path / place, "--bank")
        assert caught.value.hint == "choose another --bank"
        assert [p.name for p in tmp_path.iterdir()] == ["file"]
