"""The 7-Scenes layout: real frames, re-projection, folders of scenes, lost poses."""

import numpy as np
import pytest
from PIL import Image

from ttt3r.data import CropToPatches, Sampling, open_clip, open_source

POLICY = CropToPatches(64)


def write(folder, numbers, suffix=".color.png", depth=True):
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        stem = folder / f"frame-{number:06d}"
        Image.new("RGB", (64, 48)).save(f"{stem}{suffix}")
        np.savetxt(f"{stem}.pose.txt", np.eye(4) + number * np.eye(4, k=3))
        if depth:
            Image.fromarray(
                np.kron(np.array([[0, 65535], [number, 2000]], np.uint16), np.ones((24, 32), np.uint16))
            ).save(f"{stem}.depth.png")
    return folder


def test_depth_is_in_metres_and_both_invalid_values_are_zero(tmp_path):
    clip = open_clip(write(tmp_path / "seq-01", [1500, 7]), policy=POLICY)
    np.testing.assert_array_equal(clip.depth(1)[::24, ::32], [[0, 0], [1.5, 2]])
    assert clip.camera_to_world is not None
    assert clip.camera_to_world[:, 0, 3].tolist() == [7, 1500]
    np.testing.assert_allclose(clip.timestamps, [7 / 30, 50])
    np.testing.assert_array_equal(clip.intrinsics, [[585, 0, 320], [0, 585, 240], [0, 0, 1]])


def test_a_scene_with_one_sequence_is_that_sequence_and_with_two_is_refused(tmp_path):
    write(tmp_path / "chess" / "seq-01", range(4), suffix=".color.jpg", depth=False)
    clip = open_clip(tmp_path / "chess", policy=POLICY, sampling=Sampling(stride=3))
    assert clip.name == "chess/seq-01"
    assert [frame.name for frame in clip.source] == ["frame-000000.color.jpg", "frame-000003.color.jpg"]
    assert clip.depth(0) is None
    write(tmp_path / "chess" / "seq-02", range(2))
    with pytest.raises(ValueError, match=r"2 sequences \(seq-01, seq-02\)"):
        open_clip(tmp_path / "chess", policy=POLICY)


def test_frames_whose_tracking_was_lost_are_left_out(tmp_path):
    folder = write(tmp_path / "seq-01", range(3))
    np.savetxt(folder / "frame-000001.pose.txt", np.full((4, 4), -np.inf))
    assert [frame.name for frame in open_clip(folder, policy=POLICY).source] == [
        *("frame-000000.color.png", "frame-000002.color.png")
    ]
    for number in (0, 2):
        np.savetxt(folder / f"frame-00000{number}.pose.txt", np.full((4, 4), np.nan))
    with pytest.raises(ValueError, match="none of the 3 poses"):
        open_clip(folder, policy=POLICY)


def test_malformed_frames_are_refused_when_opening(tmp_path):
    folder = write(tmp_path / "seq-01", range(2))
    (folder / "frame-000001.pose.txt").write_text("1 0 0\n0 1 0\n")
    with pytest.raises(ValueError, match="4x4 camera_to_world, got 2x3"):
        open_clip(folder, policy=POLICY)
    write(folder, [1])
    (folder / "frame-000000.color.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"no image frame-000000\.color\.png"):
        open_clip(folder, policy=POLICY)


def test_an_unknown_layout_lists_those_that_are_known(tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"TUM RGB-D: rgb\.txt, .*; 7-Scenes: frame-NNNNNN"):
        open_clip(tmp_path, policy=POLICY)
    with pytest.raises(FileNotFoundError, match="no folder at"):
        open_clip(tmp_path / "a.png", policy=POLICY)


def test_the_file_of_intrinsics_wins(tmp_path):
    folder = write(tmp_path / "mine", range(2))
    np.savetxt(folder / "camera-intrinsics.txt", np.diag([500.0, 510, 1]))
    np.testing.assert_array_equal(open_clip(folder, policy=POLICY).intrinsics, np.diag([500.0, 510, 1]))
    np.savetxt(folder / "camera-intrinsics.txt", np.eye(4))
    with pytest.raises(ValueError, match="3x3 camera matrix, got 4x4"):
        open_clip(folder, policy=POLICY)


@pytest.mark.shared
def test_real_sequences(shared):
    long = open_clip(shared / "data" / "rgbd_7scenes_redkitchen_0000_0159", policy=POLICY)
    assert len(long.source) == 160
    scene = open_clip(shared / "data" / "7scenes_layout" / "redkitchen", policy=CropToPatches(512))
    assert (scene.name, len(scene.source)) == ("redkitchen/seq-xx", 4)
    assert next(iter(scene.source)).image.shape == (1, 3, 384, 512)
    assert scene.camera_to_world is not None
    assert long.camera_to_world is not None
    np.testing.assert_allclose(scene.camera_to_world, long.camera_to_world[150:154])


@pytest.mark.shared
def test_depth_of_a_real_frame_lands_on_the_depth_of_another(shared):
    """Unproject frame 0 by depth, K and pose, and look at it from frame 20: median difference below 1 %."""
    clip = open_clip(shared / "data" / "rgbd_7scenes_redkitchen_0000_0159", policy=POLICY, sampling=Sampling(stride=20))
    here, there = clip.depth(0), clip.depth(1)
    K, poses = clip.intrinsics, clip.camera_to_world
    assert here is not None
    assert there is not None
    assert K is not None
    assert poses is not None
    v, u = np.nonzero(here)
    points = here[v, u] * (np.linalg.inv(K) @ np.stack([u, v, np.ones(len(u))]))
    moved = np.linalg.inv(poses[1]) @ poses[0] @ np.concatenate([points, np.ones((1, len(u)))])
    x, y, z = K @ moved[:3]
    column, row = np.round(x / z).astype(int), np.round(y / z).astype(int)
    inside = (z > 0) & (column >= 0) & (column < 640) & (row >= 0) & (row < 480)
    measured = there[row[inside], column[inside]]
    error = np.abs(measured - z[inside])[measured > 0] / measured[measured > 0]
    assert np.median(error) < 0.01


def test_a_run_takes_the_colours_and_leaves_the_depth(tmp_path):
    write(tmp_path, [2, 10, 3])
    (tmp_path / "frame-000003.pose.txt").unlink()
    frames = list(open_source(tmp_path, policy=POLICY))
    assert [frame.name for frame in frames] == [f"frame-{i:06d}.color.png" for i in (2, 3, 10)]
    np.testing.assert_allclose([frame.timestamp for frame in frames], [2 / 30, 3 / 30, 10 / 30])
