"""Files that are whole or absent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from posegen import checkpoint
from posegen.errors import AssetError, PosegenError
from posegen.rundir import RunDirectory


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


class TestTensors:
    def test_round_trip(self, tmp_path: Path) -> None:
        tensors = {
            "float": torch.randn(3, 4).t(),
            "channels": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
            "byte": torch.arange(5, dtype=torch.uint8),
            "number": torch.tensor(7),
            "half": torch.randn(3).bfloat16(),
            "graph": torch.randn(2, requires_grad=True) * 2,
        }
        checkpoint.save_tensors(tmp_path / "deep" / "a.safetensors", tensors)
        loaded = checkpoint.load_tensors(tmp_path / "deep" / "a.safetensors", "")
        assert loaded.keys() == tensors.keys()
        for key, value in tensors.items():
            assert loaded[key].dtype == value.dtype
            assert torch.equal(loaded[key], value)

    def test_tensors_that_share_memory(self, tmp_path: Path) -> None:
        """Tied layers do; safetensors alone refuses them."""
        whole = torch.randn(4, 4)
        checkpoint.save_tensors(tmp_path / "a.safetensors", {"a": whole, "b": whole, "row": whole[1]})
        loaded = checkpoint.load_tensors(tmp_path / "a.safetensors", "")
        assert torch.equal(loaded["b"], whole) and torch.equal(loaded["row"], whole[1])

    def test_same_tensors_same_bytes(self, tmp_path: Path) -> None:
        for name, order in (("a", (0, 1, 2)), ("b", (2, 0, 1))):
            checkpoint.save_tensors(tmp_path / name, {f"k{i}": torch.full((3,), float(i)) for i in order})
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()

    def test_same_metadata_same_bytes(self, tmp_path: Path) -> None:
        """safetensors itself writes them in an order of chance."""
        about = {name: f'"{name}" \n é \\ \x01' for name in "hgfedcba"}
        for i in range(6):
            checkpoint.save_tensors(tmp_path / f"{i}.safetensors", network().state_dict(), about)
        assert len({(tmp_path / f"{i}.safetensors").read_bytes() for i in range(6)}) == 1
        assert checkpoint.metadata(tmp_path / "0.safetensors") == about
        loaded = checkpoint.load_tensors(tmp_path / "0.safetensors", "")
        assert all(torch.equal(loaded[key], value) for key, value in network().state_dict().items())

    def test_what_was_loaded_does_not_hold_the_file(self, tmp_path: Path) -> None:
        """A file that is mapped into memory cannot be replaced on Windows, and changes under the tensors elsewhere."""
        path = tmp_path / "a.safetensors"
        checkpoint.save_tensors(path, {"a": torch.ones(1000)})
        loaded = checkpoint.load_tensors(path, "")
        with path.open("r+b") as file:
            file.seek(-4000, os.SEEK_END)
            file.write(b"\0" * 4000)
        assert torch.equal(loaded["a"], torch.ones(1000))
        loaded["a"] += 1

    @pytest.mark.parametrize("keep", [0, 1, 7, 8, 50, -1])
    def test_truncated(self, tmp_path: Path, keep: int) -> None:
        path = tmp_path / "a.safetensors"
        checkpoint.save_tensors(path, {"a": torch.randn(10)})
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(AssetError, match=r"a\.safetensors is not a whole safetensors file") as caught:
            checkpoint.load_tensors(path, "do this")
        assert caught.value.hint == "do this"

    def test_missing_or_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(AssetError, match="does not exist"):
            checkpoint.load_tensors(tmp_path / "none", "")
        with pytest.raises(AssetError, match="cannot be read: Is a directory") as caught:
            checkpoint.load_tensors(tmp_path, "delete it")
        assert "delete" not in caught.value.hint


class TestAtomic:
    def test_a_failed_write_keeps_the_old_file(self, tmp_path: Path) -> None:
        resource = pytest.importorskip("resource")
        path = tmp_path / "a.safetensors"
        checkpoint.save_tensors(path, {"a": torch.ones(10)})
        old = path.read_bytes()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
        try:
            with pytest.raises(PosegenError, match=r"a\.safetensors could not be written") as caught:
                checkpoint.save_tensors(path, {"a": torch.ones(10_000)})
            with pytest.raises(PosegenError, match=r"b\.json could not be written: File too large"):
                checkpoint.write_text(tmp_path / "b.json", "x" * 10_000)
            with pytest.raises(PosegenError, match=r"c\.pt could not be written: File too large"):
                checkpoint.save_torch(tmp_path / "c.pt", {"a": torch.ones(10_000)})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert "--resume" in caught.value.hint
        assert path.read_bytes() == old
        assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]

    def test_ctrl_c_keeps_the_old_file(self, tmp_path: Path) -> None:
        checkpoint.write_text(tmp_path / "a", "old")

        def stop(part: Path) -> None:
            part.write_text("half")
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            checkpoint._atomically(tmp_path / "a", stop)
        assert (tmp_path / "a").read_text() == "old"
        assert [p.name for p in tmp_path.iterdir()] == ["a"]

    @pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
    @pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
    def test_others_may_read_what_the_umask_lets_them(self, tmp_path: Path, umask: int) -> None:
        before = os.umask(umask)
        try:
            checkpoint.save_tensors(tmp_path / "a.safetensors", {"a": torch.ones(1)})
            checkpoint.write_text(tmp_path / "b.json", "{}")
        finally:
            os.umask(before)
        assert {p.stat().st_mode & 0o777 for p in tmp_path.iterdir()} == {0o666 & ~umask}

    def test_two_processes_may_write_one_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def write(part: Path) -> None:
            part.write_text("first")
            with monkeypatch.context() as other:
                other.setattr(os, "getpid", lambda: -1)
                checkpoint.write_text(tmp_path / "a", "second")
            assert (tmp_path / "a").read_text() == "second"

        checkpoint._atomically(tmp_path / "a", write)
        assert (tmp_path / "a").read_text() == "first"
        assert [p.name for p in tmp_path.iterdir()] == ["a"]

    def test_is_on_the_disk_before_it_is_moved(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A power cut may otherwise leave the new name with nothing under it."""
        synced: list[int] = []
        monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_size))
        (tmp_path / "a").write_text("old")
        checkpoint.write_text(tmp_path / "a", "whole")
        assert synced == [5]

    def test_what_a_kill_left_is_gone_after_resume(self, tmp_path: Path) -> None:
        directory = RunDirectory(tmp_path)
        checkpoint.write_text(directory.settings, "")
        left = tmp_path / "checkpoints" / ".generator.safetensors.1.part"
        left.parent.mkdir()
        left.write_text("half of something")
        with directory.opened(resume=True):
            assert not left.exists()

    def test_kill_amid_writing(self, tmp_path: Path) -> None:
        """A process that writes one file again and again is killed: the file is always a whole one."""
        code = (
            "import sys, torch\nfrom pathlib import Path\nfrom posegen.checkpoint import save_tensors\n"
            "i = 0\nwhile True:\n    i += 1\n"
            "    save_tensors(Path(sys.argv[1]), {'a': torch.full((200_000,), float(i))})\n"
            "    print(i, flush=True)"
        )
        path = tmp_path / "a.safetensors"
        with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(20):
                process.stdout.readline()
            process.kill()
        value = checkpoint.load_tensors(path, "")["a"]
        assert len(value) == 200_000 and (value == value[0]).all() and value[0] >= 20

    def test_a_place_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(PosegenError, match="could not be written: a file is where a folder is needed"):
            checkpoint.write_text(tmp_path / "file" / "sub" / "a", "")

    def test_text_is_utf8(self, tmp_path: Path) -> None:
        checkpoint.write_text(tmp_path / "a", "täst ✓\n")
        assert (tmp_path / "a").read_bytes() == "täst ✓\n".encode()


class TestModule:
    def test_round_trip(self) -> None:
        one, other = network(), network()
        nn.init.normal_(one[0].weight)  # type: ignore[index]
        checkpoint.load_module(other, one.state_dict(), Path("x"), "")
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))

    def test_the_first_difference_is_named(self) -> None:
        state = network().state_dict()
        lacking = {k: v for k, v in state.items() if k != "1.running_mean"}
        with pytest.raises(AssetError, match=r"x lacks '1\.running_mean'") as caught:
            checkpoint.load_module(network(), lacking, Path("x"), "repair")
        assert caught.value.hint == "repair"
        with pytest.raises(AssetError, match="x holds 'extra'"):
            checkpoint.load_module(network(), {**state, "extra": torch.ones(1)}, Path("x"), "")
        with pytest.raises(AssetError, match=r"x: '0\.weight' has shape \(4, 2\), not \(4, 3\)"):
            checkpoint.load_module(network(), {**state, "0.weight": torch.ones(4, 2)}, Path("x"), "")

    def test_a_refused_module_is_unchanged(self) -> None:
        module = network()
        before = module[0].weight.clone()  # type: ignore[index]
        state = {k: torch.zeros_like(v) for k, v in module.state_dict().items() if k != "2.bias"}
        with pytest.raises(AssetError):
            checkpoint.load_module(module, state, Path("x"), "")
        assert torch.equal(module[0].weight, before)  # type: ignore[index]


class TestOptimizer:
    @staticmethod
    def trained(steps: int) -> tuple[nn.Module, torch.optim.Adam]:
        module = network()
        adam = torch.optim.Adam(module.parameters(), lr=0.01)
        for i in range(steps):
            adam.zero_grad()
            module(torch.randn(6, 3, generator=torch.Generator().manual_seed(i))).square().sum().backward()
            adam.step()
        return module, adam

    def test_goes_on_as_if_nothing_had_been(self, tmp_path: Path) -> None:
        whole, _ = self.trained(6)
        module, adam = self.trained(3)
        saved = {**module.state_dict(), **checkpoint.prefixed("adam", checkpoint.optimizer_tensors(adam))}
        checkpoint.save_tensors(tmp_path / "a", saved)
        loaded = checkpoint.load_tensors(tmp_path / "a", "")
        again = network()
        checkpoint.load_module(again, {k: v for k, v in loaded.items() if not k.startswith("adam")}, tmp_path, "")
        adam = torch.optim.Adam(again.parameters(), lr=0.01)
        checkpoint.load_optimizer(adam, checkpoint.without_prefix("adam", loaded), tmp_path, "")
        for i in range(3, 6):
            adam.zero_grad()
            again(torch.randn(6, 3, generator=torch.Generator().manual_seed(i))).square().sum().backward()
            adam.step()
        assert all(torch.equal(a, b) for a, b in zip(again.parameters(), whole.parameters(), strict=True))

    def test_before_the_first_step_there_is_nothing(self) -> None:
        _, adam = self.trained(0)
        assert checkpoint.optimizer_tensors(adam) == {}
        checkpoint.load_optimizer(adam, {}, Path("x"), "")

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("9.exp_avg", torch.zeros(4, 3)),
            ("x.exp_avg", torch.zeros(4, 3)),
            ("", torch.zeros(4)),
            ("0.exp_avg", torch.zeros(3, 4)),
        ],
    )
    def test_what_fits_no_parameter(self, key: str, value: torch.Tensor) -> None:
        _, adam = self.trained(1)
        with pytest.raises(AssetError, match="fits no parameter"):
            checkpoint.load_optimizer(adam, {key: value}, Path("x"), "")

    def test_what_is_not_whole(self) -> None:
        _, adam = self.trained(1)
        tensors = checkpoint.optimizer_tensors(adam)
        del tensors["1.exp_avg_sq"]
        with pytest.raises(AssetError, match="x lacks a part of the optimiser's state"):
            checkpoint.load_optimizer(adam, tensors, Path("x"), "")


def test_a_fingerprint_is_of_every_value_and_name() -> None:
    def network() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).bfloat16()

    first = checkpoint.fingerprint(network())
    assert checkpoint.fingerprint(network()) == first and len(first) == 64
    one = network()
    with torch.no_grad():
        one[0].bias[2] += 2**-7
    statistics = network()
    statistics[1].running_mean[0] = 1e-3
    others = [checkpoint.fingerprint(each) for each in (one, statistics, network().float(), network()[0])]
    assert len({first, *others}) == 5


def test_prefixes() -> None:
    tensors = {"a.b": torch.ones(1), "c": torch.zeros(1)}
    merged = {**checkpoint.prefixed("one", tensors), **checkpoint.prefixed("onetwo", tensors)}
    assert checkpoint.without_prefix("one", merged).keys() == tensors.keys()
    assert checkpoint.without_prefix("none", merged) == {}
