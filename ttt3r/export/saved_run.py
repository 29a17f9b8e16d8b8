"""A run folder read back: what the viewer shows, and what your own scripts may need of a run.

Small tables are read when the run is opened; images, depth maps and gains of tokens frame by frame, when they are asked for.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image

import ttt3r.export.folder_files as folder_files
import ttt3r.export.token_gains as token_gains
from ttt3r.export.intrinsics import MOST_PIXELS, Pinhole, read_intrinsics
from ttt3r.export.points import PointCloud
from ttt3r.export.run_record import FILE, RunRecord, RunStatus
from ttt3r.export.token_gains import TokenGains
from ttt3r.export.trajectory import read_trajectory
from ttt3r.types import LengthUnit
from ttt3r.untrusted import ArrayForm, read_arrays, read_table, reading, real

_GAINS = ("gain_mean", "gain_std")
_DEPTH = {"depth": ArrayForm("float32", ("row", "column")), "confidence": ArrayForm("float32", ("row", "column"))}


@dataclass(frozen=True)
class MeanGains:
    """The table `gains.csv`: the gain over the state tokens, frame by frame.

    Args:
        name: of each frame's source.
        mean: over the tokens.
        spread: standard deviation over the tokens.
    """

    name: tuple[str, ...]
    mean: Float[np.ndarray, " frame"]
    spread: Float[np.ndarray, " frame"]


@dataclass(frozen=True)
class SavedRun:
    """What `ttt3r run` wrote, for reading. Made by `open`.

    Args:
        path: the folder.
        record: what `run.json` says.
        timestamps: of each frame, seconds.
        camera_to_world: of each frame, metres, OpenCV axes; the world is the first camera's frame.
        pinholes: estimated camera by frame; empty if the run read out no points.
        gains: mean and spread of the gain, if the run wrote them.

    Examples:
        >>> run = SavedRun.open("out/video")  # doctest: +SKIP
        >>> run.frames, run.camera_to_world.shape, run.depth(0).shape  # doctest: +SKIP
        (40, (40, 4, 4), (48, 64))
    """

    path: Path
    record: RunRecord
    timestamps: Float[np.ndarray, " frame"]
    camera_to_world: Float[np.ndarray, "frame 4 4"]
    pinholes: dict[int, Pinhole]
    gains: MeanGains | None

    @classmethod
    def open(cls, path: str | Path) -> "SavedRun":
        """Open a run folder. A run that was stopped is read as far as it was finished.

        Raises:
            FileNotFoundError: if the folder or a file that every run has is missing.
            ValueError: if no frame is finished, or a table does not go as far as `run.json` says.
        """
        path = Path(path)
        _require_run(path)
        record = RunRecord.load(path)
        if record.frames == 0:
            raise ValueError(_nothing_finished(path, record.status))
        timestamps, cameras = _read_cameras(_required(path / "trajectory.txt"))
        if len(cameras) < record.frames:
            raise ValueError(
                f"{path / 'trajectory.txt'} holds {len(cameras)} cameras, but {FILE} says {record.frames} frames; "
                "was it changed? run again with --overwrite"
            )
        intrinsics, gains = path / "intrinsics.csv", path / "gains.csv"
        pinholes = read_intrinsics(intrinsics) if intrinsics.exists() else {}
        if pinholes and not pinholes.keys() >= set(range(record.frames)):
            raise ValueError(
                f"{intrinsics} has fewer frames than the {record.frames} in {FILE}; run again with --overwrite"
            )
        return cls(
            path,
            record,
            timestamps[: record.frames],
            cameras[: record.frames],
            pinholes,
            _read_gains(gains, record.frames) if gains.exists() else None,
        )

    @property
    def frames(self) -> int:
        """Finished frames."""
        return self.record.frames

    @property
    def rule(self) -> str:
        """The update rule as it was written down, such as `constant:rate=0.5`."""
        return str(self.record.settings.get("rule", "?"))

    @property
    def unit(self) -> LengthUnit:
        """Of all lengths."""
        return self.record.unit

    @property
    def has_token_gains(self) -> bool:
        """Whether the run recorded what every token took (`ttt3r run --record-gains`)."""
        return self._token_file(0).exists()

    @cached_property
    def cloud(self) -> PointCloud:
        """The points that the run kept, with confidence, frame and pixel; empty if it read out no points.

        Raises:
            FileNotFoundError: if the run read out points but the file is gone.
            ValueError: if the file is damaged.
        """
        file = self.path / folder_files.cloud_name(self.frames)
        if not file.exists() and not self.pinholes and not (self.path / "points.ply").exists():
            return PointCloud.empty()
        cloud = PointCloud.load(_required(file))
        if len(cloud) and cloud.frame.max() >= self.frames:
            raise ValueError(f"{file} holds points of frames that {FILE} does not; run again with --overwrite")
        return cloud

    def image(self, frame: int) -> UInt8[np.ndarray, "height width rgb=3"] | None:
        """The prepared image; `None` if the file is not there."""
        file = self.path / "images" / f"{folder_files.stem(self._known(frame))}.jpg"
        if not file.exists():
            return None
        with reading(file, "a prepared image", "run again with --overwrite"), Image.open(file) as image:
            known = self.pinholes.get(frame)
            if max(image.size) > MOST_PIXELS or (known is not None and image.size != (known.width, known.height)):
                raise ValueError(f"it is {image.width} x {image.height} pixels")
            return np.asarray(image.convert("RGB"))

    def depth(self, frame: int) -> Float32[np.ndarray, "height width"] | None:
        """Depth along the optical axis, in `unit`; `None` if the file is not there."""
        return self._depth_file(frame, "depth")

    def confidence(self, frame: int) -> Float32[np.ndarray, "height width"] | None:
        """Confidence of the depth, at least 1; `None` if it is not there."""
        return self._depth_file(frame, "confidence")

    def token_gains(self, frame: int) -> TokenGains | None:
        """What every token took of a frame and where it looked; `None` if it was not recorded."""
        file = self._token_file(self._known(frame))
        return TokenGains.load(file) if file.exists() else None

    def _depth_file(self, frame: int, name: str) -> Float32[np.ndarray, "height width"] | None:
        file = self.path / "depth" / f"{folder_files.stem(self._known(frame))}.npz"
        if not file.exists():
            return None
        with reading(file, "a saved depth map", "run again with --overwrite"):
            arrays = read_arrays(file, _DEPTH, optional=("confidence",))
            known = self.pinholes.get(frame)
            if known is not None and arrays["depth"].shape != (known.height, known.width):
                raise ValueError(f"it is {arrays['depth'].shape}, the image {(known.height, known.width)}")
            return arrays.get(name)

    def _token_file(self, frame: int) -> Path:
        return self.path / token_gains.FOLDER / f"{folder_files.stem(frame)}.npz"

    def _known(self, frame: int) -> int:
        if not 0 <= frame < self.frames:
            raise IndexError(f"no frame {frame} in {self.path}; there are {self.frames}, from 0")
        return frame


def find_runs(paths: Iterable[str | Path]) -> list[Path]:
    """Run folders among the paths: a path itself, or else the run folders right under it, by name.

    Raises:
        FileNotFoundError: if a path is no folder, or holds no run.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        inside = sorted(file.parent for file in path.glob(f"*/{FILE}")) if not (path / FILE).is_file() else []
        if not inside:
            _require_run(path)
        found += inside or [path]
    return list(dict.fromkeys(found))


def _require_run(path: Path) -> None:
    if not path.is_dir():
        kind = "is a file" if path.exists() else "does not exist"
        raise FileNotFoundError(f"{path} {kind}; give a folder that ttt3r run wrote with --out")
    if not (path / FILE).is_file():
        raise FileNotFoundError(
            f"{path} holds no {FILE}, so it is no run; give a folder that ttt3r run wrote with --out (ttt3r compare "
            "writes tables and pictures only)"
        )


def _nothing_finished(path: Path, status: RunStatus) -> str:
    if status is RunStatus.RUNNING:
        return (
            f"the run in {path} is still at work, or was killed before it saved its memory once; wait, or go on with "
            "ttt3r run ... --resume (--checkpoint-every 10 saves more often)"
        )
    return f"the run in {path} is {status} without a finished frame; {FILE} says why; run again with --overwrite"


def _required(file: Path) -> Path:
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing; run again with --overwrite to have it back")
    return file


def _read_cameras(path: Path) -> tuple[Float[np.ndarray, " frame"], Float[np.ndarray, "frame 4 4"]]:
    with reading(path, "the trajectory that a run writes", "run again with --overwrite"):
        read_table(path)  # its size, and whether it is text
        timestamps, cameras = read_trajectory(path)
        if not (np.isfinite(timestamps).all() and np.isfinite(cameras).all()):
            raise ValueError("it holds numbers that are not finite, or a rotation of length 0")
        return timestamps, cameras


def _read_gains(path: Path, frames: int) -> MeanGains:
    with reading(path, "the table that a run writes", "run again with --overwrite"):
        rows = list(csv.DictReader(io.StringIO(read_table(path))))[:frames]
        if len(rows) < frames:
            raise ValueError(f"{len(rows)} rows for {frames} frames")
        mean, spread = (np.array([real(float(row[name]), name, -1e9, 1e9) for row in rows]) for name in _GAINS)
        return MeanGains(tuple(str(row["name"]) for row in rows), mean, spread)
