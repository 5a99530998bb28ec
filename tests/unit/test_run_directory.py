"""One run, one directory, one process."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from posegen.errors import AssetError, PosegenError, UsageError
from posegen.rundir import RunDirectory


def claim(path: Path, *, resume: bool = False) -> None:
    with RunDirectory(path).opened(resume=resume):
        pass


class TestNew:
    @pytest.mark.parametrize("name", ["out", "a/b/out"])
    def test_is_made(self, tmp_path: Path, name: str) -> None:
        with RunDirectory(tmp_path / name).opened(resume=False) as directory:
            assert directory.path.is_dir()

    def test_an_empty_folder_will_do(self, tmp_path: Path) -> None:
        claim(tmp_path)

    def test_so_will_one_where_a_run_failed_before_it_wrote(self, tmp_path: Path) -> None:
        for _ in range(2):
            claim(tmp_path / "out")
        assert not (tmp_path / "out").exists()  # nothing is left of it

    def test_a_folder_with_anything_in_it_is_refused_and_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").write_text("years of work")
        with pytest.raises(UsageError, match="is not empty") as caught:
            claim(tmp_path)
        assert "--out" in caught.value.hint
        assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]

    def test_so_is_one_that_has_a_lock(self, tmp_path: Path) -> None:
        (tmp_path / ".lock").touch()
        (tmp_path / "run.toml").touch()
        with pytest.raises(UsageError, match="is not empty"):
            claim(tmp_path)

    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("mine")
        for path in (tmp_path / "file", tmp_path / "file" / "out"):
            with pytest.raises(UsageError, match="cannot be used: a file is where a folder is needed"):
                claim(path)
        assert (tmp_path / "file").read_text() == "mine"

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="Linux: a place where nobody may write, root included")
    def test_a_place_where_nobody_may_write(self) -> None:
        with pytest.raises(UsageError, match="/proc/posegen cannot be used: ") as caught:
            claim(Path("/proc/posegen"))
        assert caught.value.hint == "choose another --out"


class TestResume:
    @pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_text("")])
    def test_needs_a_run(self, tmp_path: Path, make) -> None:
        make(tmp_path / "out")
        with pytest.raises(UsageError, match="holds no run to resume"):
            claim(tmp_path / "out", resume=True)

    def test_takes_the_directory_as_it_is(self, tmp_path: Path) -> None:
        (tmp_path / "run.toml").write_text("")
        (tmp_path / "before.json").write_text("{}")
        with RunDirectory(tmp_path).opened(resume=True) as directory:
            assert directory.settings.is_file()

    def test_what_a_kill_left_amid_writing_goes_files_and_folders(self, tmp_path: Path) -> None:
        (tmp_path / "run.toml").touch()
        film = tmp_path / "pictures" / ".turn.1.part"  # of posegen render -o FOLDER
        film.mkdir(parents=True)
        (film / "00000.png").touch()
        (tmp_path / ".result.json.1.part").touch()
        claim(tmp_path, resume=True)
        assert sorted(p.name for p in tmp_path.rglob("*")) == [".lock", "pictures", "run.toml"]


class TestLock:
    @pytest.mark.parametrize("resume", [True, False])
    def test_two_at_once(self, tmp_path: Path, resume: bool) -> None:
        with RunDirectory(tmp_path).opened(resume=False) as first:
            first.settings.write_text("")
            with pytest.raises(UsageError, match="another run is using") as caught:
                claim(tmp_path, resume=resume)
            assert "wait" in caught.value.hint
        claim(tmp_path, resume=True)

    def test_a_file_system_without_locks_is_not_another_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fcntl = pytest.importorskip("fcntl")

        def refuse(*_: object) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(fcntl, "flock", refuse)
        with pytest.raises(UsageError, match="cannot be locked: No locks available"):
            claim(tmp_path, resume=False)

    def test_another_process_and_its_death(self, tmp_path: Path) -> None:
        code = (
            "import sys, time; from pathlib import Path; from posegen.rundir import RunDirectory\n"
            "with RunDirectory(Path(sys.argv[1])).opened(resume=False) as d:\n"
            "    d.settings.write_text(''); print('mine', flush=True); time.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None and other.stdout.readline() == "mine\n"
            with pytest.raises(UsageError, match="another run is using"):
                claim(tmp_path, resume=True)
            other.kill()
            other.wait()
            claim(tmp_path, resume=True)

    def test_an_error_inside_frees_it(self, tmp_path: Path) -> None:
        with pytest.raises(ZeroDivisionError), RunDirectory(tmp_path).opened(resume=False):
            raise ZeroDivisionError
        claim(tmp_path)


class TestOnce:
    def test_is_made_once(self, tmp_path: Path) -> None:
        directory, made = RunDirectory(tmp_path), []
        for _ in range(3):
            content = directory.once("a.json", lambda: made.append(1) or {"x": [1.5, "täst"]})
            assert content == {"x": [1.5, "täst"]}
        assert made == [1]

    def test_floats_come_back_as_they_were(self, tmp_path: Path) -> None:
        directory, numbers = RunDirectory(tmp_path), {"x": [1 / 3, 1e-300, 12345.678901234567]}
        assert directory.once("a.json", lambda: numbers) == directory.once("a.json", dict) == numbers

    @pytest.mark.parametrize("content", [b"", b'{"a": ', b"\x00" * 30, b"\xff\xfe{", b"3", b"[1, 2]", b'"text"'])
    def test_damage_is_named_and_nothing_overwritten(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(AssetError, match=r"a\.json is damaged") as caught:
            RunDirectory(tmp_path).once("a.json", dict)
        assert "delete it and run with --resume" in caught.value.hint
        assert (tmp_path / "a.json").read_bytes() == content

    def test_what_it_lacks_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_text('{"a": 1}')
        assert RunDirectory(tmp_path).once("a.json", dict, "a") == {"a": 1}
        with pytest.raises(AssetError, match=r"a\.json is damaged: it lacks 'b'"):
            RunDirectory(tmp_path).once("a.json", dict, "a", "b")

    def test_what_cannot_be_read_is_not_to_be_deleted(self, tmp_path: Path) -> None:
        (tmp_path / "a.json").mkdir()
        with pytest.raises(AssetError, match=r"a\.json cannot be read: Is a directory") as caught:
            RunDirectory(tmp_path).once("a.json", dict)
        assert "delete" not in caught.value.hint

    def test_a_failure_leaves_no_file(self, tmp_path: Path) -> None:
        def fail() -> dict[str, object]:
            raise PosegenError("no")

        with pytest.raises(PosegenError):
            RunDirectory(tmp_path).once("a.json", fail)
        assert not list(tmp_path.iterdir())
