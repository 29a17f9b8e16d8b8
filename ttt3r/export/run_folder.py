"""The folder of one run, written frame by frame so that a kill at any time loses nothing that was done.

    run.json             settings, versions, status (see `run_record`)
    trajectory.txt       camera poses, TUM text
    intrinsics.csv       estimated focal length and principal point of every prepared image
    frames.csv           name of every frame, and a hash of its prepared image
    gains.csv            mean and standard deviation of the gain over the memory's tokens
    gains/               frame_000000.npz, gain and attention of every token, where they were recorded
    depth/               frame_000000.png (16 bit), .npz (exact, with confidence), scale.json
    images/              frame_000000.jpg, the prepared images that everything here refers to
    memory.safetensors   the memory at the last checkpoint, points_000100.npz the cloud at the same time
    points.ply, points.glb, colmap/   made by `finish` from what is there

A `Reconstruction` whose field was not asked for leaves out the files that need it.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

import ttt3r.export.folder_files as folder_files
import ttt3r.export.token_gains as token_gains
import ttt3r.geometry as geometry
from ttt3r.export.depth import write_depth
from ttt3r.export.derived import DERIVED, missing, write_derived
from ttt3r.export.frame_record import FrameRecord
from ttt3r.export.intrinsics import IntrinsicsWriter, Pinhole, csv_row
from ttt3r.export.points import GrowingCloud, PointCloud, PointSelection
from ttt3r.export.rows import RowFile
from ttt3r.export.run_record import RunRecord, RunStatus
from ttt3r.export.source_table import SourceTable
from ttt3r.export.trajectory import TrajectoryWriter
from ttt3r.types import LengthUnit, Memory

GAINS_HEADER = ("frame,name,timestamp,gain_mean,gain_std",)
"""Header line of `gains.csv`."""


class RunFolder:
    """Writes a run. Made by `create` or `resume`, fed by `write`, saved by `checkpoint`, closed by `finish`.

    Args:
        path: the folder.
        record: what `run.json` says.
    """

    def __init__(self, path: Path, record: RunRecord) -> None:
        self.path = path
        self._growing = GrowingCloud(PointCloud.empty(PointSelection(**record.points)))
        self.frames = 0
        self._record = record
        self._started = time.monotonic()
        self.unit = record.unit
        self._trajectory = TrajectoryWriter(path / "trajectory.txt", record.unit)
        self._intrinsics = IntrinsicsWriter(path / "intrinsics.csv")
        self._gains = RowFile(path / "gains.csv", GAINS_HEADER)
        self._sources = SourceTable(path / "frames.csv")
        self._tables = (self._trajectory, self._intrinsics, self._gains, self._sources)

    @property
    def cloud(self) -> PointCloud:
        """The points kept so far."""
        return self._growing.cloud()

    @property
    def record(self) -> RunRecord:
        """What `run.json` says."""
        return self._record

    @classmethod
    def create(
        cls,
        path: str | Path,
        settings: Mapping[str, Any],
        points: PointSelection = PointSelection(),
        device: str = "cpu",
        overwrite: bool = False,
        unit: LengthUnit = LengthUnit.METRES,
        identities: Mapping[str, str] | None = None,
    ) -> "RunFolder":
        """A new run.

        Args:
            path: the folder; made if absent.
            settings: of the run, as JSON can hold them; a resumed run must have the same.
            points: which points enter the cloud.
            device: where the network runs, for the record.
            overwrite: delete an older run's files first (those that a run writes, and only where a run.json lies).
            unit: of all lengths that will be written (`network.config.unit`).
            identities: hashes of what the settings only name, by words for it; a resumed run must have the same.

        Raises:
            FileExistsError: if the folder is not empty.
            OSError: at once, if the folder cannot be written to.
        """
        path = Path(path)
        folder_files.prepare(path, overwrite)
        record = RunRecord.start(settings, asdict(points), device, unit)
        folder = cls(path, replace(record, identities=dict(identities or {})))
        folder._record.save(path)
        return folder

    @classmethod
    def resume(
        cls,
        path: str | Path,
        settings: Mapping[str, Any],
        points: PointSelection = PointSelection(),
        device: str = "cpu",
        identities: Mapping[str, str] | None = None,
    ) -> "RunFolder":
        """An older run that is to go on; call `restore` next. Nothing is changed before.

        Raises:
            FileNotFoundError: if there is no run.
            ValueError: naming the settings that differ from the older run's, or what was replaced under the same name.
        """
        path = Path(path)
        record = RunRecord.load(path)
        record.demand(settings, asdict(points))
        record.demand_identities(identities or {})
        return cls(path, replace(record, device=device))

    def done(self) -> list[tuple[str, str]] | None:
        """Name and hash (`image_hash`) of the frames that `restore` will keep; `None` if an older release left them out."""
        saved = self.path / folder_files.MEMORY
        frames = int(Memory.load(saved, "cpu").seen[0]) if saved.exists() else 0
        return self._sources.read(frames) if frames else []

    def restore(self, device: torch.device | str = "cpu") -> Memory | None:
        """Go back to the last checkpoint: cut what was written after it, and give its memory, or `None` if there is none.

        The next frame to feed is number `frames`.
        """
        folder_files.remove_leftovers(self.path)
        saved = self.path / folder_files.MEMORY
        memory = Memory.load(saved, device) if saved.exists() else None
        if memory is not None and memory.batch != 1:
            raise ValueError(f"{saved} holds {memory.batch} sequences, a run has one; start again with --overwrite")
        self.truncate(int(memory.seen[0]) if memory is not None else 0)
        self._save_record(RunStatus.RUNNING, self._record.extra)
        return memory

    def truncate(self, frames: int) -> None:
        """Keep the first `frames` frames, so that the later ones are written again.

        Raises:
            FileNotFoundError: if no cloud was saved at that frame.
            ValueError: if fewer frames were written.
        """
        cloud = folder_files.load_cloud(self.path, frames, self.cloud.selection)
        self._growing = GrowingCloud(cloud)
        for rows in self._tables:
            rows.truncate(frames)
        folder_files.remove_from(self.path, frames)
        self.frames = frames

    def write(self, frame: FrameRecord) -> None:
        """Write all that is known of one frame.

        Raises:
            ValueError: if the frame is not the next one, or more than one sequence.
        """
        if frame.index != self.frames:
            raise ValueError(f"the next frame to write is number {self.frames}, got {frame.index} ({frame.name})")
        answer, stem = frame.reconstruction, folder_files.stem(frame.index)
        self._sources.write(frame.index, frame.name, frame.timestamp, frame.image)
        if answer.camera_to_world is not None:
            self._trajectory.write(frame.timestamp, folder_files.only(answer.camera_to_world))
        if answer.points_camera is not None:
            trust = None if answer.confidence_camera is None else folder_files.only(answer.confidence_camera)
            write_depth(self.path / "depth", stem, folder_files.only(answer.depth), trust, unit=self.unit)
            self._intrinsics.write(frame.index, frame.name, Pinhole.estimated(folder_files.only(answer.points_camera)))
        if frame.gain is not None:
            mean, spread = frame.gain.mean().item(), frame.gain.std(correction=0).item()
            self._gains.append(
                csv_row(frame.index, frame.name, f"{frame.timestamp:.6f}", f"{mean:.9g}", f"{spread:.9g}")
            )
        if frame.gain is not None and frame.attention is not None and frame.image is not None:
            height, width = frame.image.shape[2:]
            tokens = token_gains.of_frame(frame.gain, frame.attention, (height, width))
            tokens.save(self.path / token_gains.FOLDER / f"{stem}.npz")
        if frame.image is not None:
            folder_files.write_image(self.path / "images" / f"{stem}.jpg", folder_files.only(frame.image))
        self._add_points(frame)
        self.frames += 1

    def _add_points(self, frame: FrameRecord) -> None:
        answer = frame.reconstruction
        points, trust = answer.points_world, answer.confidence_world
        if points is None and answer.points_camera is not None and answer.camera_to_world is not None:
            points = geometry.transform_points(answer.camera_to_world, answer.points_camera)
            trust = answer.confidence_camera
        if points is None:
            return
        image = frame.image if frame.image is not None else torch.zeros_like(points).permute(0, 3, 1, 2)  # grey
        self._growing.add(
            frame.index,
            folder_files.only(points),
            None if trust is None else folder_files.only(trust),
            folder_files.only(image),
        )

    def checkpoint(self, memory: Memory) -> None:
        """Save the memory after the last written frame. A kill during this leaves the checkpoint before it.

        Raises:
            ValueError: if the memory has seen more or fewer frames than were written.
        """
        seen = memory.seen.tolist()
        if seen != [self.frames]:
            raise ValueError(
                f"{self.frames} frames are written, but the memory has seen {seen}; save it right after write"
            )
        for rows in self._tables:
            rows.sync()
        cloud = folder_files.cloud_name(self.frames)
        self.cloud.save(self.path / cloud)
        memory.save(self.path / folder_files.MEMORY)
        folder_files.remove_clouds_but(self.path, cloud)
        self._save_record(RunStatus.RUNNING, self._record.extra)

    def finish(self, status: RunStatus, extra: Mapping[str, Any] | None = None) -> None:
        """Write the cloud and the COLMAP model of what is there, and the final run.json.

        Args:
            status: how the run ended.
            extra: what else run.json should say, as JSON can hold it.
        """
        notes = dict(extra or {}) | write_derived(self.path, self.frames, self.cloud, self.unit)
        self._save_record(status, notes)

    def mend(self) -> bool:
        """Make the files that a kill after the last frame prevented; whether there were any.

        The run must be complete. Its record stays, but for the notes.
        """
        self.frames = self._record.frames
        cloud = self.path / folder_files.cloud_name(self.frames)
        if cloud.exists():
            self._growing = GrowingCloud(PointCloud.load(cloud))
        if not missing(self.path, self.frames, self.cloud):
            return False
        self._started = time.monotonic()
        said = {key: value for key, value in self._record.extra.items() if key not in DERIVED}
        self.finish(RunStatus.COMPLETE, said)
        return True

    def _save_record(self, status: RunStatus, extra: Mapping[str, Any]) -> None:
        seconds, self._started = self._record.seconds + time.monotonic() - self._started, time.monotonic()
        self._record = replace(self._record, status=status, frames=self.frames, seconds=seconds, extra=dict(extra))
        self._record.save(self.path)
