"""The folder of one evaluation: what it is of, the parts that are done, and the outcome.

evaluation.json   estimator, dataset, protocol: what ``--resume`` compares
parts/            figures and predictions of PART people each, while it is under way
predictions.npz   with --save-predictions: one row a person (posegen.scoring.predict.Columns)
predictions.zip   with --agora-predictions: what AGORA's server takes
result.json       the outcome
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posegen.checkpoint import save_arrays, write_text
from posegen.errors import UsageError
from posegen.files import read_json
from posegen.scoring.predict import Columns

PART = 512
"""People in a part: what an interruption can lose."""


class Folder:
    """Raises UsageError for a folder that holds something else, or the evaluation of something else."""

    def __init__(self, path: Path, about: Mapping[str, Any], *, resume: bool) -> None:
        self.path, self.about = path, path / "evaluation.json"
        self.parts, self.result = path / "parts", path / "result.json"
        self.resumed = False  # a part was there already
        self.predictions, self.submission = path / "predictions.npz", path / "predictions.zip"
        if resume:
            self._check(about)
        elif path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(f"{path} is not empty", "go on with --resume, or choose another --out")
        else:
            write_text(self.about, json.dumps(about, indent=1) + "\n")

    def part(self, index: int, make: Callable[[], Columns]) -> Columns:
        """The part's columns: read, or made and written. A part that was left half is made again."""
        path = self.parts / f"{index:05d}.npz"
        if path.is_file():
            try:
                with np.load(path, allow_pickle=False) as archive:
                    columns = {name: archive[name] for name in archive.files}
                self.resumed = True
                return columns
            except (OSError, ValueError, EOFError, zipfile.BadZipFile):
                pass  # damaged by something else than an interruption, which leaves no file
        columns = make()
        save_arrays(path, columns)
        return columns

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write the outcome; the parts are no longer needed."""
        write_text(self.result, json.dumps(result, indent=1) + "\n")
        shutil.rmtree(self.parts, ignore_errors=True)

    def _check(self, about: Mapping[str, Any]) -> None:
        if not self.about.is_file():
            raise UsageError(f"{self.path} holds no evaluation to resume", "give the --out of the interrupted one")
        before = read_json(self.about, f"delete {self.path} and start again")
        if before != json.loads(json.dumps(about)):
            differs = sorted(k for k in {*before, *about} if before.get(k) != json.loads(json.dumps(about)).get(k))
            raise UsageError(
                f"{self.path} holds another evaluation: {', '.join(differs)} differ", "choose another --out"
            )
