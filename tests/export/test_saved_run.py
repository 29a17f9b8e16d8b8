"""What a run wrote is what the reader gives, and what is missing is named with its cure."""

import json
import shutil

import numpy as np
import pytest
import torch

from ttt3r import geometry
from ttt3r.export import FrameRecord, PointSelection, RunFolder, RunStatus, SavedRun, find_runs
from ttt3r.types import Memory, Reconstruction

HEIGHT, WIDTH, FRAMES = 8, 12, 3


def _record(index):
    generator = torch.Generator().manual_seed(index)
    depth = 1 + torch.rand(1, HEIGHT, WIDTH, generator=generator)
    intrinsics = geometry.intrinsics_matrix(torch.tensor([10.0]), (float(WIDTH // 2), float(HEIGHT // 2)))
    answer = Reconstruction(
        camera_to_world=geometry.pose_encoding_to_camera(torch.randn(1, 7, generator=generator)),
        points_camera=geometry.unproject(depth, intrinsics),
        confidence_camera=1 + torch.rand(1, HEIGHT, WIDTH, generator=generator),
    )
    image = torch.full((1, 3, HEIGHT, WIDTH), index / FRAMES)
    attention = torch.rand(1, 5, 6, generator=generator) / 6
    gain = torch.rand(1, 5, 1, generator=generator)
    return FrameRecord(index, f"image {index}.png", index / 30, image, answer, gain, attention)


def _memory(seen):
    memory = Memory.start(torch.zeros(1, 5, 4), torch.zeros(1, 2, 8))
    return Memory(**{**vars(memory), "seen": torch.tensor([seen]), "age": torch.tensor([seen])})


def _write(path, frames=FRAMES, status=RunStatus.COMPLETE, selection=PointSelection(min_confidence=1.2)):
    folder = RunFolder.create(path, {"rule": "Made(up=True)"}, selection)
    for index in range(frames):
        folder.write(_record(index))
    if frames:
        folder.checkpoint(_memory(frames))
    if status is not RunStatus.RUNNING:
        folder.finish(status)
    return path


@pytest.fixture
def written(tmp_path):
    return _write(tmp_path / "run")


def test_it_gives_what_was_written(written):
    run = SavedRun.open(written)
    assert (run.frames, run.rule) == (FRAMES, "Made(up=True)")
    assert run.token_gains(0) is not None
    np.testing.assert_allclose(run.timestamps, np.arange(FRAMES) / 30, atol=1e-6)
    assert run.gains is not None
    assert run.gains.name[1] == "image 1.png"
    points = 0
    for index in range(FRAMES):
        record = _record(index)
        answer = record.reconstruction
        np.testing.assert_allclose(run.camera_to_world[index], answer.camera_to_world[0], atol=1e-5)
        np.testing.assert_array_equal(run.depth(index), answer.depth[0])
        np.testing.assert_array_equal(run.confidence(index), answer.confidence_camera[0])
        assert abs(int(run.image(index)[0, 0, 0]) - round(127.5 * (index / FRAMES + 1))) <= 2  # JPEG
        np.testing.assert_allclose(run.token_gains(index).attention, record.attention[0], atol=1e-3)
        assert run.token_gains(index).grid == (2, 3)
        np.testing.assert_allclose(run.gains.mean[index], record.gain.mean(), rtol=1e-6)
        points += int((answer.confidence_camera >= 1.2).sum())
    assert len(run.cloud) == points
    with pytest.raises(IndexError, match="there are 3"):
        run.depth(FRAMES)


def test_a_run_without_some_outputs_is_a_run(tmp_path):
    folder = RunFolder.create(tmp_path / "run", {})
    camera = Reconstruction(camera_to_world=torch.eye(4)[None])
    folder.write(FrameRecord(0, "a", 0.0, None, camera))
    folder.finish(RunStatus.COMPLETE)
    run = SavedRun.open(tmp_path / "run")
    assert (run.image(0), run.depth(0), run.confidence(0), run.token_gains(0), run.gains) == (None,) * 5
    assert (len(run.cloud), run.pinholes, run.rule) == (0, {}, "?")


def test_gains_of_frames_that_are_written_again_go(written):
    folder = RunFolder.resume(written, {"rule": "Made(up=True)"}, PointSelection(min_confidence=1.2))
    (written / "gains/frame_000007.npz.partial").touch()
    folder.truncate(0)
    assert not any((written / "gains").iterdir())


def test_overwriting_takes_the_gains_away(written):
    RunFolder.create(written, {}, overwrite=True)
    assert not (written / "gains").exists()


def test_a_run_that_was_killed_is_read_to_its_last_save(tmp_path):
    path = _write(tmp_path / "run", status=RunStatus.RUNNING)
    with (path / "trajectory.txt").open("a") as file:
        file.write("0.1 0 0 0 0 0 0 1\n")  # a frame after the save
    run = SavedRun.open(path)
    assert (run.frames, len(run.camera_to_world), len(run.timestamps)) == (FRAMES, FRAMES, FRAMES)


@pytest.mark.parametrize(
    ("status", "words"),
    [(RunStatus.RUNNING, "still at work.*--resume"), (RunStatus.FAILED, "failed without a finished")],
)
def test_nothing_finished_is_said(status, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        SavedRun.open(_write(tmp_path / "run", frames=0, status=status))


@pytest.mark.parametrize("name", ["trajectory.txt", f"points_{FRAMES:06d}.npz"])
def test_a_missing_file_is_named(name, written):
    (written / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing.*--overwrite"):
        _ = SavedRun.open(written).cloud


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("run.json", b"{", "run.json is not the record"),
        ("trajectory.txt", b"# nothing\n0 0 0 0 0 0 0 1\n", "holds 1 cameras, but run.json says 3"),
        ("gains.csv", b"frame,name\n0,a\n", "gains.csv is not the table"),
        (f"points_{FRAMES:06d}.npz", b"broken", "not a saved cloud"),
    ],
)
def test_a_damaged_file_is_named(name, content, words, written):
    (written / name).write_bytes(content)
    with pytest.raises(ValueError, match=words):
        _ = SavedRun.open(written).cloud


def test_a_damaged_depth_map_is_named(written):
    (written / "depth/frame_000001.npz").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"frame_000001\.npz is not a saved depth map"):
        SavedRun.open(written).depth(1)


def test_what_is_no_run_is_said(tmp_path):
    (tmp_path / "file").touch()
    for path, words in (
        (tmp_path / "none", "does not exist"),
        (tmp_path / "file", "is a file"),
        (tmp_path, "holds no run"),
    ):
        with pytest.raises(FileNotFoundError, match=words):
            SavedRun.open(path)
        with pytest.raises(FileNotFoundError, match=words):
            find_runs([path])


def test_runs_are_found_in_a_folder_and_once(written, tmp_path):
    shutil.copytree(written, tmp_path / "another")
    assert find_runs([tmp_path]) == [tmp_path / "another", written]
    assert find_runs([written, tmp_path]) == [written, tmp_path / "another"]


def test_the_record_is_read_not_run(written):
    content = json.loads((written / "run.json").read_text())
    content["settings"]["rule"] = "__import__('os').abort()"
    (written / "run.json").write_text(json.dumps(content))
    assert SavedRun.open(written).rule == "__import__('os').abort()"
