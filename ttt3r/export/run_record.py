"""`run.json`: what is needed to repeat a run, and how far it got."""

import datetime
import enum
import json
import platform
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ttt3r._version import __version__
from ttt3r.export.point_selection import PointSelection
from ttt3r.files import RUN_RECORD as FILE
from ttt3r.files import replacing
from ttt3r.types import LengthUnit
from ttt3r.untrusted import read_json, reading, real, shown, whole

FORMAT = 2
"""Format 1, which does not say so, held the rule as Python prints it, and hashes of rules that were made in another way."""
MOST_FRAMES = 10**9
"""More than any run has: a year at 30 frames a second."""


class RunStatus(enum.StrEnum):
    """How far a run got."""

    RUNNING = enum.auto()
    """At work, or killed: `frames` is then that of the last checkpoint."""
    INTERRUPTED = enum.auto()
    """Stopped by the user."""
    FAILED = enum.auto()
    """Stopped by an error."""
    COMPLETE = enum.auto()
    """Came to the end of its input."""


@dataclass(frozen=True)
class RunRecord:
    """The content of `run.json`.

    Args:
        settings: of the run, as JSON; `--resume` demands the same.
        points: which points enter the cloud; the same holds.
        device: where the network runs.
        status: how far it got.
        frames: frames done.
        seconds: wall time of all its parts so far.
        started: UTC, ISO 8601.
        versions: of ttt3r, torch, numpy, python and the platform.
        extra: what the caller adds at the end.
        unit: of all lengths in the folder.
        identities: hashes of what the settings only name (a rule's source, say); absent in runs of older releases.
        format: of the record.
    """

    settings: Mapping[str, Any]
    points: Mapping[str, Any]
    device: str
    status: RunStatus
    frames: int
    seconds: float
    started: str
    versions: Mapping[str, str]
    extra: Mapping[str, Any]
    unit: LengthUnit = LengthUnit.METRES
    identities: Mapping[str, str] = field(default_factory=dict[str, str])
    format: int = 1

    @classmethod
    def start(
        cls,
        settings: Mapping[str, Any],
        points: Mapping[str, Any],
        device: str,
        unit: LengthUnit = LengthUnit.METRES,
    ) -> "RunRecord":
        """The record before the first frame.

        Raises:
            TypeError: if the settings cannot be written as JSON.
        """
        return cls(
            settings=_as_json(settings),
            points=_as_json(points),
            device=device,
            status=RunStatus.RUNNING,
            frames=0,
            seconds=0.0,
            started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            versions=_versions(),
            extra={},
            unit=unit,
            format=FORMAT,
        )

    @property
    def is_older(self) -> bool:
        """Whether an older release began this run; then the rule is written in another way, see `FORMAT`."""
        return self.format < FORMAT

    def save(self, folder: Path) -> None:
        """Write `run.json`, replaced as a whole."""
        content = asdict(self) | {"unit": self.unit.value}
        content["seconds_per_frame"] = self.seconds / self.frames if self.frames else None
        with replacing(folder / FILE) as partial:
            partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "RunRecord":
        """Read `run.json`.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if it is not the record of a run.
        """
        path = folder / FILE
        if not path.is_file():
            raise FileNotFoundError(
                f"{folder} holds no {FILE}, so there is no run to resume; start it without --resume"
            )
        with reading(path, "the record of a run", "start again with --overwrite"):
            content = _table(read_json(path), "the content")
            content.pop("seconds_per_frame", None)
            always = {each.name for each in fields(cls) if each.default is MISSING and each.default_factory is MISSING}
            if missing := always - content.keys():  # the others are new: older releases do not write them
                raise ValueError(f"it has no {', '.join(sorted(missing))}")
            unit = LengthUnit(content.get("unit", LengthUnit.METRES.value))
            record = cls(**{**content, "status": RunStatus(content["status"]), "unit": unit})
            record._require_sound()
        return record

    def _require_sound(self) -> None:
        """Refuse values of another type, or that no run has."""
        for name in ("settings", "points", "versions", "extra", "identities"):
            _table(getattr(self, name), name)
        for name in ("device", "started"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name}={shown(getattr(self, name))} must be a text")
        whole(self.frames, "frames", 0, MOST_FRAMES)
        if whole(self.format, "format", 1, MOST_FRAMES) > FORMAT:
            raise ValueError(
                f"it is of format {self.format}, which a newer release wrote; update ttt3r to go on with it"
            )
        real(self.seconds, "seconds", 0, 1e12)
        PointSelection.from_facts(self.points)

    def demand(self, settings: Mapping[str, Any], points: Mapping[str, Any]) -> None:
        """Check that a run goes on as it began.

        Raises:
            ValueError: naming every setting that differs, with the old and the new value.
        """
        before = {**_flat(self.settings), **_flat({"points": self.points})}
        now = {**_flat(_as_json(settings)), **_flat({"points": _as_json(points)})}
        absent = object()
        differing = sorted(key for key in before | now if before.get(key, absent) != now.get(key, absent))
        if differing:
            changes = ", ".join(f"{key} ({_shown(before, key)} -> {_shown(now, key)})" for key in differing)
            raise ValueError(
                f"a resumed run must keep its settings, but these differ: {changes}; repeat the old ones or --overwrite"
            )

    def demand_identities(self, identities: Mapping[str, str]) -> None:
        """Check that what the settings name is still what it was; what an older release wrote down otherwise is passed over.

        Raises:
            ValueError: naming what was edited or replaced.
        """
        if self.is_older:
            return
        changed = [what for what, found in identities.items() if self.identities.get(what, found) != found]
        if changed:
            raise ValueError(
                f"{' and '.join(changed)} changed since this run began, and half of one and half of another is no run; "
                "put back what it was, start again with --overwrite, or take another folder with --out"
            )


def _table(value: Any, name: str) -> dict[str, Any]:
    """The value, if it is an object of JSON."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {shown(value)}, expected an object")
    return value


def _as_json(value: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(value))


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in tree.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {prefix + key: value})
    return flat


def _shown(flat: Mapping[str, Any], key: str) -> str:
    return json.dumps(flat[key]) if key in flat else "absent"


def _versions() -> dict[str, str]:
    return {
        "ttt3r": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
