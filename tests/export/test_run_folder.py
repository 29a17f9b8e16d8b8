import csv
import errno
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ttt3r import geometry
from ttt3r.export.points import PointSelection
from ttt3r.export.run_folder import FrameRecord, RunFolder
from ttt3r.export.run_record import RunStatus
from ttt3r.types import Memory, Reconstruction

SETTINGS = {"rule": {"name": "ttt3r", "scale": 0.5}, "size": [8, 12], "stride": 1}
POINTS = PointSelection(min_confidence=1.2, budget=150)
HEIGHT, WIDTH = 8, 12


def _record(index):
    """A made-up frame that depends on its number only."""
    generator = torch.Generator().manual_seed(index)
    depth = 1 + torch.rand(1, HEIGHT, WIDTH, generator=generator)
    intrinsics = geometry.intrinsics_matrix(torch.tensor([10.0 + index]), (float(WIDTH // 2), float(HEIGHT // 2)))
    answer = Reconstruction(
        camera_to_world=geometry.pose_encoding_to_camera(torch.randn(1, 7, generator=generator)),
        points_camera=geometry.unproject(depth, intrinsics),
        confidence_camera=1 + torch.rand(1, HEIGHT, WIDTH, generator=generator),
    )
    image = 2 * torch.rand(1, 3, HEIGHT, WIDTH, generator=generator) - 1
    gain = torch.rand(1, 5, 1, generator=generator)
    return FrameRecord(index, f"image {index}.png", index / 30, image, answer, gain)


def _memory(seen):
    memory = Memory.start(torch.full((1, 5, 4), float(seen)), torch.zeros(1, 2, 8))
    return Memory(**{**vars(memory), "seen": torch.tensor([seen]), "age": torch.tensor([seen])})


def _run(folder, frames, every=4):
    for index in frames:
        folder.write(_record(index))
        if (index + 1) % every == 0:
            folder.checkpoint(_memory(index + 1))
    return folder


def _files(path):
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())


def test_a_run_leaves_its_files(tmp_path):
    folder = _run(RunFolder.create(tmp_path / "run", SETTINGS, POINTS, device="cpu"), range(3), every=3)
    folder.finish(RunStatus.COMPLETE, {"note": "made up"})
    names = ["run.json", "trajectory.txt", "intrinsics.csv", "gains.csv", "points.ply", "memory.safetensors"]
    names += ["frames.csv", "points.glb"]
    frames = [f"{kind}/frame_00000{i}.{end}" for i in range(3) for kind, end in (("depth", "png"), ("depth", "npz"))]
    names += [*frames, *(f"images/frame_00000{i}.jpg" for i in range(3)), "depth/scale.json", "points_000003.npz"]
    names += ["colmap/cameras.txt", "colmap/images.txt", "colmap/points3D.txt"]
    assert set(names) == set(_files(tmp_path / "run"))
    content = json.loads((tmp_path / "run/run.json").read_text())
    assert (content["status"], content["frames"], content["device"]) == ("complete", 3, "cpu")
    assert content["settings"] == SETTINGS
    assert content["extra"]["note"] == "made up"
    assert content["seconds"] > 0
    assert {"ttt3r", "torch", "python"} <= content["versions"].keys()


def test_the_tables_hold_what_was_given(tmp_path):
    folder = _run(RunFolder.create(tmp_path, SETTINGS), range(2))
    gain = _record(1).gain
    assert gain is not None
    with (tmp_path / "gains.csv").open() as file:
        row = list(csv.DictReader(file))[1]
    assert row["name"] == "image 1.png"
    np.testing.assert_allclose(float(row["gain_mean"]), gain.mean(), rtol=1e-6)
    np.testing.assert_allclose(float(row["gain_std"]), gain.numpy().std(), rtol=1e-6)
    with (tmp_path / "intrinsics.csv").open() as file:
        focal = [float(row["fx"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(focal, [10, 11], rtol=1e-4)
    with Image.open(tmp_path / "images/frame_000000.jpg") as image:
        assert image.size == (WIDTH, HEIGHT)
    assert folder.frames == 2


def test_killed_and_resumed_equals_uninterrupted(tmp_path):
    whole, part = tmp_path / "whole", tmp_path / "part"
    one = _run(RunFolder.create(whole, SETTINGS, POINTS), range(12))
    one.finish(RunStatus.COMPLETE)

    _run(RunFolder.create(part, SETTINGS, POINTS), range(7))  # killed here: three frames after the checkpoint
    with (part / "trajectory.txt").open("a") as file:
        file.write("0.233 1.0")  # in the middle of a row
    (part / "depth/frame_000007.png").write_bytes(b"half a picture")
    (part / "points_000008.npz.partial").write_bytes(b"half a cloud")
    (part / ".tmpAb3dEf").write_bytes(b"half a memory, as safetensors leaves it")

    folder = RunFolder.resume(part, SETTINGS, POINTS)
    memory = folder.restore()
    assert memory is not None
    assert folder.frames == memory.seen.item() == 4
    assert "depth/frame_000005.png" not in _files(part)
    _run(folder, range(4, 12))
    folder.finish(RunStatus.COMPLETE)

    assert _files(whole) == _files(part)
    assert len(one.cloud) == POINTS.budget
    for name in _files(whole):
        if name not in ("run.json", "memory.safetensors"):
            assert (whole / name).read_bytes() == (part / name).read_bytes(), name


def test_a_kill_between_cloud_and_memory_falls_back_to_the_older_pair(tmp_path):
    folder = _run(RunFolder.create(tmp_path, SETTINGS, POINTS), range(6))
    folder.cloud.save(tmp_path / "points_000006.npz")
    resumed = RunFolder.resume(tmp_path, SETTINGS, POINTS)
    assert resumed.restore() is not None
    assert resumed.frames == 4
    assert resumed.cloud.frame.max() == 3


def test_a_run_killed_before_its_first_checkpoint_starts_again(tmp_path):
    _run(RunFolder.create(tmp_path, SETTINGS, POINTS), range(2))
    folder = RunFolder.resume(tmp_path, SETTINGS, POINTS)
    assert folder.restore() is None
    assert folder.frames == 0
    _run(folder, range(5)).finish(RunStatus.INTERRUPTED)
    assert json.loads((tmp_path / "run.json").read_text())["frames"] == 5


def test_time_adds_up_over_the_parts(tmp_path):
    _run(RunFolder.create(tmp_path, SETTINGS), range(4))
    content = json.loads((tmp_path / "run.json").read_text())
    content["seconds"] = 100.0
    (tmp_path / "run.json").write_text(json.dumps(content))
    folder = RunFolder.resume(tmp_path, SETTINGS)
    folder.restore()
    folder.finish(RunStatus.COMPLETE)
    assert 100 < json.loads((tmp_path / "run.json").read_text())["seconds"] < 110


@pytest.mark.parametrize(
    "answer",
    [
        Reconstruction(),
        Reconstruction(camera_to_world=torch.eye(4)[None]),
        Reconstruction(points_camera=torch.rand(1, HEIGHT, WIDTH, 3)),
        Reconstruction(points_world=torch.rand(1, HEIGHT, WIDTH, 3)),
    ],
)
def test_what_was_not_asked_for_is_not_written(tmp_path, answer):
    folder = RunFolder.create(tmp_path, SETTINGS)
    folder.write(FrameRecord(0, "a", 0.0, None, answer))
    folder.checkpoint(_memory(1))
    folder.finish(RunStatus.COMPLETE)
    files = _files(tmp_path)
    assert ("trajectory.txt" in files) == (answer.camera_to_world is not None)
    assert ("depth/frame_000000.png" in files) == ("intrinsics.csv" in files) == (answer.points_camera is not None)
    assert ("points.ply" in files) == (answer.points_world is not None)
    assert "gains.csv" not in files
    assert RunFolder.resume(tmp_path, SETTINGS).restore() is not None


def test_world_points_come_from_the_head_or_from_the_camera(tmp_path):
    record = _record(0)
    answer = record.reconstruction
    assert answer.points_camera is not None
    assert answer.camera_to_world is not None
    folder = RunFolder.create(tmp_path / "a", SETTINGS, PointSelection(min_confidence=0.0))
    folder.write(record)
    expected = geometry.transform_points(answer.camera_to_world, answer.points_camera)
    np.testing.assert_allclose(folder.cloud.xyz, expected.reshape(-1, 3), rtol=1e-5, atol=1e-6)
    world = torch.rand(1, HEIGHT, WIDTH, 3)
    both = Reconstruction(**{**vars(answer), "points_world": world, "confidence_world": torch.ones(1, HEIGHT, WIDTH)})
    folder = RunFolder.create(tmp_path / "b", SETTINGS, PointSelection(min_confidence=0.0))
    folder.write(FrameRecord(0, "a", 0.0, record.image, both))
    np.testing.assert_array_equal(folder.cloud.xyz, world.reshape(-1, 3))


def test_a_used_folder_is_refused_and_the_cure_named(tmp_path):
    _run(RunFolder.create(tmp_path, SETTINGS), range(5))
    with pytest.raises(FileExistsError, match=r"--resume.*--overwrite"):
        RunFolder.create(tmp_path, SETTINGS)
    (tmp_path / "mine.txt").write_text("keep")
    (tmp_path / "images/holiday.jpg").write_text("keep")
    RunFolder.create(tmp_path, SETTINGS, overwrite=True)
    assert _files(tmp_path) == ["images/holiday.jpg", "mine.txt", "run.json"]


def test_overwrite_never_clears_a_folder_that_is_no_run(tmp_path):
    (tmp_path / "points.ply").write_text("mine")
    with pytest.raises(FileExistsError, match="holds no run"):
        RunFolder.create(tmp_path, SETTINGS, overwrite=True)
    assert (tmp_path / "points.ply").read_text() == "mine"


def test_a_folder_that_cannot_be_written_fails_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot write to the output folder .*file/run"):
        RunFolder.create(tmp_path / "file" / "run", SETTINGS)
    if os.geteuid() != 0:  # root may write anywhere
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(PermissionError, match="cannot write"):
            RunFolder.create(tmp_path / "locked", SETTINGS)


def test_resume_names_the_settings_that_differ(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run to resume"):
        RunFolder.resume(tmp_path, SETTINGS)
    RunFolder.create(tmp_path, SETTINGS)
    changed = {**SETTINGS, "rule": {"name": "ttt3r", "scale": 0.25}, "stride": 1, "new": None}
    with pytest.raises(ValueError, match=r"new \(absent -> null\), rule.scale \(0.5 -> 0.25\);"):
        RunFolder.resume(tmp_path, changed)
    with pytest.raises(ValueError, match=r"points.budget"):
        RunFolder.resume(tmp_path, SETTINGS, PointSelection(budget=7))
    RunFolder.resume(tmp_path, {**SETTINGS, "size": (8, 12)})  # a tuple is a list in JSON
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ValueError, match="not the record of a run"):
        RunFolder.resume(tmp_path, SETTINGS)


def test_frames_come_in_order_one_sequence_at_a_time(tmp_path):
    folder = RunFolder.create(tmp_path, SETTINGS)
    with pytest.raises(ValueError, match="next frame to write is number 0, got 1"):
        folder.write(_record(1))
    folder.write(_record(0))
    with pytest.raises(ValueError, match="memory has seen"):
        folder.checkpoint(_memory(2))
    two = Reconstruction(camera_to_world=torch.eye(4).repeat(2, 1, 1))
    with pytest.raises(ValueError, match="batch of 2"):
        folder.write(FrameRecord(1, "a", 0.0, None, two))


@pytest.mark.parametrize("name", ["points.ply", "colmap/cameras.txt", "colmap/images.txt", "colmap/points3D.txt"])
def test_what_a_kill_at_the_end_left_out_is_made_later(tmp_path, name):
    folder = _run(RunFolder.create(tmp_path / "run", SETTINGS, POINTS), range(3), every=3)
    folder.finish(RunStatus.COMPLETE, {"note": "made up"})
    whole = (tmp_path / "run" / name).read_bytes()
    assert not RunFolder.resume(tmp_path / "run", SETTINGS, POINTS).mend()
    (tmp_path / "run" / name).unlink()
    assert RunFolder.resume(tmp_path / "run", SETTINGS, POINTS).mend()
    assert (tmp_path / "run" / name).read_bytes() == whole
    found = json.loads((tmp_path / "run/run.json").read_text())
    assert (found["status"], found["frames"], found["extra"]["note"]) == ("complete", 3, "made up")


@pytest.mark.parametrize("name", ["trajectory.txt", "intrinsics.csv", "gains.csv", "frames.csv", "png", "npz", "jpg"])
@pytest.mark.parametrize("room", [0, 7])
def test_a_full_disk_loses_no_finished_frame(tmp_path, monkeypatch, name, room):
    """The disk takes `room` bytes more of one file, then nothing."""
    whole, out = tmp_path / "whole", tmp_path / "out"
    _run(RunFolder.create(whole, SETTINGS, POINTS), range(6), every=3).finish(RunStatus.COMPLETE)
    folder = _run(RunFolder.create(out, SETTINGS, POINTS), range(4), every=3)
    real = Path.open

    class Full(io.FileIO):
        def write(self, data, /):
            if room and len(data) > room:
                return super().write(bytes(data)[:room])
            raise OSError(errno.ENOSPC, "No space left on device")

    def full(self, mode="r", *arguments, **options):
        if self.name.endswith(name) and not mode.startswith("r"):
            return Full(self, mode.replace("b", ""))
        return real(self, mode, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        if name in ("png", "npz", "jpg"):
            patched.setattr("numpy.savez", _no_room)
            patched.setattr(Image.Image, "save", _no_room)
        with pytest.raises(OSError, match="No space left"):
            folder.write(_record(4))
    folder.finish(RunStatus.FAILED)
    assert not [path for path in out.rglob("*.partial*")]
    folder = RunFolder.resume(out, SETTINGS, POINTS)
    folder.restore()
    assert folder.frames == 3
    _run(folder, range(3, 6), every=3).finish(RunStatus.COMPLETE)
    for file in _files(whole):
        if file != "run.json":
            assert (whole / file).read_bytes() == (out / file).read_bytes(), file


def _no_room(*arguments, **options):
    raise OSError(errno.ENOSPC, "No space left on device")
