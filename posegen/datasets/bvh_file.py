"""BVH files: a skeleton, and the angles of its joints over time.

Of the libraries on the package index, bvhio 1.5.4 never returns from a file that ends in its skeleton, pybvh 0.9.0
refuses joints with channels of position or with less than three of rotation and brings matplotlib, bvhtools 1.6.0
brings a game engine, and bvh 0.3 is of 2017. So this is a strict reader of our own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posegen.errors import AssetError

Array = NDArray[np.float64]
LARGEST = 2**29  # bytes of one file: hours of motion
MOST_JOINTS = 1000
CHANNELS = {f"{axis}{kind}": (kind, i) for kind in ("position", "rotation") for i, axis in enumerate("xyz")}
_REPAIR = "export or download it again"


@dataclass(frozen=True, slots=True)
class Joint:
    """parent: index, -1 for the root.  offset: (3,) from the parent, in the file's unit.  first: its first column in
    the motion.  channels: ("position" or "rotation", axis 0..2), in the order in which they are applied."""

    name: str
    parent: int
    offset: Array
    first: int
    channels: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class BvhMotion:
    """joints: a parent before its children; end sites are left out.  motion: (T, columns), degrees and the file's
    unit.  fps: frames a second."""

    joints: tuple[Joint, ...]
    motion: Array
    fps: float

    def rotations(self) -> Array:
        """Each joint's rotation against its parent (T,J,3,3); the first channel is the outermost."""
        turns = np.tile(np.eye(3), (len(self.motion), len(self.joints), 1, 1))
        for j, joint in enumerate(self.joints):
            for column, (kind, axis) in enumerate(joint.channels, joint.first):
                if kind == "rotation":
                    turns[:, j] = turns[:, j] @ _about(axis, np.radians(self.motion[:, column]))
        return turns

    def above(self, joint: int) -> list[int]:
        """The way from the root down to a joint."""
        parent = self.joints[joint].parent
        return [*(self.above(parent) if parent >= 0 else []), joint]

    def place(self, joint: int, turns: Array) -> Array:
        """A joint's position (T,3), in the file's axes and unit.  turns: what ``rotations`` gives."""
        place, turned = np.zeros((len(self.motion), 3)), np.tile(np.eye(3), (len(self.motion), 1, 1))
        for j in self.above(joint):
            place = place + (turned @ self._moved(j)[..., None])[..., 0]
            turned = turned @ turns[:, j]
        return place

    def _moved(self, joint: int) -> Array:
        """How far (T,3) a joint is from its parent, in the parent's axes."""
        away = np.tile(self.joints[joint].offset, (len(self.motion), 1))
        for column, (kind, axis) in enumerate(self.joints[joint].channels, self.joints[joint].first):
            if kind == "position":
                away[:, axis] = self.motion[:, column]
        return away


def read_bvh(path: Path) -> BvhMotion:
    """Raises AssetError, naming file and line, for what is missing, cut off, or no BVH file."""
    try:
        if path.stat().st_size > LARGEST:
            raise AssetError(f"{path} is larger than {LARGEST >> 20} MB: refused", "cut it into clips")
        text = path.read_text("latin-1")  # names of joints may be in any encoding; all else is ASCII
    except OSError as error:
        raise AssetError(f"{path} cannot be read: {error.strerror}", "check the path") from error
    lines = enumerate(text.splitlines(), 1)
    words = ((number, line.split()) for number, line in lines if line.strip())
    try:
        joints = _hierarchy(words)
        return _motion(words, joints, text)
    except StopIteration as error:
        raise AssetError(f"{path} ends too early", _REPAIR) from error
    except _Wrong as error:
        raise AssetError(f"{path}: {error}", _REPAIR) from error


class _Wrong(Exception):
    pass


Lines = Iterator[tuple[int, list[str]]]


def _hierarchy(lines: Lines) -> tuple[Joint, ...]:
    number, words = next(lines)
    if [w.upper() for w in words] != ["HIERARCHY"]:
        raise _Wrong(f"line {number}: HIERARCHY is missing; is it a BVH file?")
    joints: list[Joint] = []
    open_: list[int] = []  # the joints whose braces are open; -1 stands for an end site
    columns = 0
    while True:
        number, words = next(lines)
        word = words[0].upper()
        if word == "MOTION" and joints and not open_:
            return tuple(joints)
        if word in ("ROOT", "JOINT"):
            if (word == "ROOT") == bool(joints) or (open_ and open_[-1] < 0) or (joints and not open_):
                raise _Wrong(f"line {number}: {' '.join(words)} has no place here")
            offset, channels = _head(lines)
            if len(words) < 2 or len(joints) == MOST_JOINTS:
                raise _Wrong(f"line {number}: a joint without a name, or more than {MOST_JOINTS} joints")
            joints.append(Joint(" ".join(words[1:]), open_[-1] if open_ else -1, offset, columns, channels))
            columns += len(channels)
            open_.append(len(joints) - 1)
        elif word == "END" and open_ and open_[-1] >= 0:
            _expect(lines, "{")
            _numbers(next(lines), "OFFSET", 3)
            open_.append(-1)
        elif word == "}" and open_:
            open_.pop()
        else:
            raise _Wrong(f"line {number}: '{words[0]}' has no place here")


def _head(lines: Lines) -> tuple[Array, tuple[tuple[str, int], ...]]:
    """Brace, OFFSET and CHANNELS of a joint."""
    _expect(lines, "{")
    offset = np.array(_numbers(next(lines), "OFFSET", 3))
    number, words = next(lines)
    names = [word.lower() for word in words[2:]]
    declared = words[0].upper() == "CHANNELS" and len(words) > 1 and words[1] == str(len(names))
    if not declared or any(n not in CHANNELS for n in names) or len(set(names)) != len(names):
        raise _Wrong(f"line {number}: CHANNELS, their number and their names are needed")
    return offset, tuple(CHANNELS[n] for n in names)


def _motion(lines: Lines, joints: tuple[Joint, ...], text: str) -> BvhMotion:
    number, words = next(lines)
    if len(words) != 2 or words[0].lower() != "frames:" or not words[1].isdecimal():
        raise _Wrong(f"line {number}: 'Frames: COUNT' is needed")
    count = int(words[1])
    number, words = next(lines)
    if len(words) != 3 or [w.lower() for w in words[:2]] != ["frame", "time:"]:
        raise _Wrong(f"line {number}: 'Frame Time: SECONDS' is needed")
    (seconds,) = _floats(number, words[2:])
    if not 1e-5 < seconds < 100:
        raise _Wrong(f"line {number}: a frame of {seconds} seconds")
    columns = sum(len(joint.channels) for joint in joints)
    if not 0 < count * max(columns, 1) <= len(text):  # each number takes more than one byte
        raise _Wrong(f"line {number - 1}: {count} frames of {columns} numbers, which this file does not hold")
    motion = np.empty((count, columns))
    for i in range(count):
        number, words = next(lines)
        if len(words) != columns:
            raise _Wrong(f"line {number}: {len(words)} numbers where {columns} channels were declared")
        motion[i] = _floats(number, words)
    return BvhMotion(joints, motion, 1 / seconds)


def _expect(lines: Lines, word: str) -> None:
    number, words = next(lines)
    if words != [word]:
        raise _Wrong(f"line {number}: '{word}' is needed, not '{' '.join(words)[:40]}'")


def _numbers(line: tuple[int, list[str]], word: str, count: int) -> list[float]:
    number, words = line
    if words[0].upper() != word or len(words) != count + 1:
        raise _Wrong(f"line {number}: {word} and {count} numbers are needed")
    return _floats(number, words[1:])


def _floats(number: int, words: list[str]) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise _Wrong(f"line {number}: {error}") from error
    if not all(math.isfinite(v) and abs(v) < 1e9 for v in values):
        raise _Wrong(f"line {number}: a number that is not finite")
    return values


def _about(axis: int, angle: Array) -> Array:
    """Rotations (T,3,3) by angles (T,) about x, y or z."""
    turn = np.tile(np.eye(3), (len(angle), 1, 1))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    turn[:, a, a] = turn[:, b, b] = np.cos(angle)
    turn[:, b, a] = np.sin(angle)
    turn[:, a, b] = -turn[:, b, a]
    return turn
