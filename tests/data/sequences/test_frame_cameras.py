"""Images of several cameras: each frame has its own matrix, and what is measured with it is right for each."""

import json
from pathlib import Path

import numpy as np
import pytest
from layouts_on_disk import BOX, FRAMES, OPENGL, K, image, make_world, png, quaternion
from layouts_on_disk import LAYOUTS as WRITTEN

from ttt3r.data import Clip, CropToPatches, Problem, Severity, open_clip
from ttt3r.data.checks.checking import reprojection_error
from ttt3r.data.checks.inspection import inspect_sequence
from ttt3r.data.frames.memory import FramesInMemory
from ttt3r.data.readers.posed_folder import POSED_FOLDER
from ttt3r.data.readers.sintel import SINTEL
from ttt3r.data.sequences.clip import FrameCamera
from ttt3r.data.sequences.dataset import find_sequences
from ttt3r.data.sequences.layout import Place
from ttt3r.evaluation.tasks.base import FrameResult
from ttt3r.evaluation.tasks.points import _true_points

POLICY = CropToPatches(64)
SECOND = np.array([[90.0, 0, 27.5], [0, 88.0, 25.5], [0, 0, 1]])
LARGE = np.array([[180.0, 0, 55.5], [0, 176.0, 51.5], [0, 0, 1]])
SIZES = {64: (64, 48), 128: (128, 96)}


def camera_of(i: int, second: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Every third frame is of the second camera, the first frame included."""
    return (second, SIZES[128 if second is LARGE else 64]) if i % 3 == 0 else (K, SIZES[64])


def write_images(folder: Path, second: np.ndarray) -> None:
    for i in range(FRAMES):
        matrix, size = camera_of(i, second)
        image(folder / f"images/{i:04d}.png", i, size)
        png(folder / f"depth/{i:04d}.png", make_world(matrix, size).depth[i], 1000)


def numbers(matrix: np.ndarray) -> list[float]:
    return [matrix[0, 0], matrix[1, 1], matrix[0, 2] + 0.5, matrix[1, 2] + 0.5]


def colmap(folder: Path, second: np.ndarray) -> None:
    write_images(folder, second)
    lines = []
    for i, pose in enumerate(make_world().camera_to_world):
        *shift, x, y, z, w = quaternion(np.linalg.inv(pose)).split()
        lines += [f"{i + 1} {w} {x} {y} {z} {' '.join(shift)} {2 if i % 3 == 0 else 1} {i:04d}.png", ""]
    model = folder / "sparse/0"
    model.mkdir(parents=True)
    (model / "images.txt").write_text("\n".join(lines))
    given = ((1, K, SIZES[64]), (2, *camera_of(0, second)))
    rows = [f"{n} PINHOLE {w} {h} {' '.join(map(str, numbers(matrix)))}" for n, matrix, (w, h) in given]
    (model / "cameras.txt").write_text("\n".join(rows))


def transforms(folder: Path, second: np.ndarray) -> None:
    write_images(folder, second)
    frames = []
    for i, pose in enumerate(make_world().camera_to_world @ OPENGL):
        matrix, size = camera_of(i, second)
        own = dict(zip(("fl_x", "fl_y", "cx", "cy", "w", "h"), (*numbers(matrix), *size), strict=True))
        frames.append({"file_path": f"images/{i:04d}.png", "transform_matrix": pose.tolist(), **own})
    (folder / "transforms.json").write_text(json.dumps({"frames": frames}))


def world_points(clip: Clip, index: int) -> np.ndarray:
    """The true points of a frame as the measures of points get them."""
    assert clip.camera_to_world is not None
    frame = list(clip.source)[index]
    result = object.__new__(FrameResult)  # nothing was predicted
    result.__dict__.update(clip=clip, item=frame, camera_to_world=clip.camera_to_world[index])
    points, error = _true_points(result, tuple(frame.image.shape[2:]))
    assert error == ""
    return points


def off_the_walls(points: np.ndarray) -> float:
    """How far points are from the walls of the box, at most, as a share of its size."""
    assert np.isfinite(points).any()
    return float(np.nanmax(np.abs(np.abs(points / BOX).max(axis=-1) - 1)))


@pytest.mark.parametrize("write", [colmap, transforms])
@pytest.mark.parametrize("second", [SECOND, LARGE], ids=["one size", "two sizes"])
def test_every_frame_has_the_matrix_of_its_camera(tmp_path, write, second):
    folder = tmp_path / "room"
    write(folder, second)
    clip = open_clip(folder, policy=POLICY)
    assert clip.intrinsics is None
    for i in range(FRAMES):
        np.testing.assert_allclose(np.array(clip.matrix(i)), camera_of(i, second)[0])
        assert (
            off_the_walls(world_points(clip, i)) < 1e-2
        )  # half a pixel of the large depth maps; some 0.3 with the other K
    assert max(reprojection_error(clip, i, i + 1) for i in range(FRAMES - 1)) < 0.02
    assert reprojection_error(clip, 0, 1) == pytest.approx(reprojection_error(clip, 1, 2), abs=0.01)
    found = inspect_sequence(POSED_FOLDER, Place("room", "room", folder), every_file=True).findings
    assert [finding.what for finding in found if finding.severity > Severity.NOTE] == []
    assert "2 cameras, which differ by" in found[0].detail


def test_cameras_that_are_nearly_one_keep_their_own_beside_the_common_matrix(tmp_path):
    folder = tmp_path / "room"
    colmap(folder, near := K * [[1.005], [1.005], [1]])
    clip = open_clip(folder, policy=POLICY)
    np.testing.assert_allclose(np.array(clip.intrinsics), (K + near) / 2)
    np.testing.assert_allclose(np.array(clip.matrix(0)), near)
    np.testing.assert_allclose(np.array(clip.matrix(1)), K)


def test_one_camera_is_said_once(tmp_path):
    folder = tmp_path / "room"
    colmap(folder, K)
    clip = open_clip(folder, policy=POLICY)
    assert clip.cameras == ()
    np.testing.assert_allclose(np.array(clip.intrinsics), K)
    np.testing.assert_allclose(np.array(clip.matrix(7)), K)
    assert clip.findings == ()


def test_a_camera_without_a_matrix_leaves_those_of_the_others(tmp_path):
    folder = tmp_path / "room"
    colmap(folder, SECOND)
    path = folder / "sparse/0/cameras.txt"
    path.write_text(path.read_text().replace("2 PINHOLE", "2 BENT_GLASS"))
    clip = open_clip(folder, policy=POLICY)
    assert clip.matrix(0) is None
    assert np.isnan(world_points(clip, 0)).all()
    assert off_the_walls(world_points(clip, 1)) < 2e-3
    assert any("4 of 12 images" in finding.detail and "no camera matrix" in finding.detail for finding in clip.findings)


def test_a_given_matrix_wins_over_all_cameras(tmp_path):
    folder = tmp_path / "room"
    colmap(folder, SECOND)
    np.savetxt(folder / "camera-intrinsics.txt", K)
    clip = open_clip(folder, policy=POLICY)
    assert clip.cameras == ()
    np.testing.assert_allclose(np.array(clip.intrinsics), K)


def test_a_zoom_of_sintel(tmp_path):
    WRITTEN["sintel"].write(tmp_path)
    for i in range(FRAMES):
        zoomed = K * [[1 + i / 4], [1 + i / 4], [1]]
        path = tmp_path / f"training/camdata_left/alley_2/frame_{i + 1:04d}.cam"
        path.write_bytes(path.read_bytes()[:4] + zoomed.astype("<f8").tobytes() + path.read_bytes()[4 + 72 :])
        depth = tmp_path / f"training/depth/alley_2/frame_{i + 1:04d}.dpt"
        depth.write_bytes(depth.read_bytes()[:12] + make_world(zoomed).depth[i].astype("<f4").tobytes())
    (tmp_path / "training/camdata_left/alley_2/frame_0003.cam").unlink()
    ((layout, place),) = find_sequences(tmp_path, (SINTEL,))
    clip = open_clip(place.folder, policy=POLICY)
    assert layout is SINTEL
    assert clip.source.length == FRAMES - 1
    for row, i in enumerate([0, 1, *range(3, FRAMES)]):
        np.testing.assert_allclose(np.array(clip.matrix(row)), K * [[1 + i / 4], [1 + i / 4], [1]])
        assert off_the_walls(world_points(clip, row)) < 1e-5
    assert any("changes from 55.0 to" in found.detail for found in clip.findings if found.what is Problem.CAMERA_MODEL)


def test_cameras_are_one_for_each_frame():
    import torch

    source = FramesInMemory("two", torch.zeros(2, 3, 16, 16), np.arange(2.0))
    with pytest.raises(ValueError, match="differ in length"):
        Clip("two", source, np.arange(2.0), cameras=(FrameCamera(K, (16, 16)),))
