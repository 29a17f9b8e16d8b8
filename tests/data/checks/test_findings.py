"""Bad data: each kind gives a typed finding with a cure, never a crash of a dataset, never a silent drop."""

import json

import numpy as np
import pytest
from layouts_on_disk import FRAMES, LAYOUTS, cameras, intrinsics
from PIL import Image

from ttt3r.data import (
    DATASETS,
    SELECTIONS,
    BadSequence,
    CropToPatches,
    FrameSelection,
    Problem,
    Sampling,
    Severity,
    open_clip,
    places_of,
)
from ttt3r.data.checks.checking import check_poses
from ttt3r.data.checks.inspection import inspect_sequence

POLICY = CropToPatches(64)


@pytest.fixture
def written(tmp_path):
    """Write a layout; the folder of its sequence."""

    def write(kind):
        LAYOUTS[kind].write(tmp_path)
        return tmp_path / LAYOUTS[kind].folder

    return write


def opened(kind, root, sampling: Sampling | FrameSelection = Sampling()):
    dataset = DATASETS[LAYOUTS[kind].dataset]
    (place,) = dataset.sequences(root)
    return dataset.open(root, place.name, POLICY, sampling)


def found(clip, what):
    """The one finding of a kind."""
    (finding,) = [finding for finding in clip.findings if finding.what is what]
    assert finding.cure
    assert finding.where
    return finding


def test_missing_poses(written, tmp_path):
    folder = written("scannet")
    (folder / "pose/4.txt").unlink()
    clip = opened("scannet", tmp_path)
    assert len(clip.timestamps) == FRAMES - 1
    finding = found(clip, Problem.MISSING_POSES)
    assert "1 of 12 images of scene0707_00 have no pose of its number (4.jpg)" in finding.detail
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "kind", ["scannet", "7scenes", "nrgbd", "kitti-odometry", "poses.txt", "trajectory.txt", "tum"]
)
def test_poses_that_are_not_finite(written, tmp_path, kind, value):
    folder = written(kind)
    files = {
        "scannet": "pose/2.txt",
        "7scenes": "frame-000002.pose.txt",
        "nrgbd": "poses.txt",
        "kitti-odometry": "../../poses/06.txt",
        "tum": "groundtruth.txt",
    }
    path = folder / files.get(kind, kind)
    rows = np.loadtxt(path)
    rows[{"nrgbd": slice(8, 12)}.get(kind, 2), 1:] = value
    np.savetxt(path, rows)
    clip = opened(kind, tmp_path)
    assert len(clip.timestamps) == FRAMES - 1
    assert np.isfinite(cameras(clip)).all()
    assert found(clip, Problem.LOST_POSES).severity is Severity.WARNING


def test_a_track_that_was_lost_throughout(written, tmp_path):
    folder = written("scannet")
    for i in range(FRAMES):
        np.savetxt(folder / f"pose/{i}.txt", np.full((4, 4), -np.inf))
    with pytest.raises(BadSequence, match="none of the 12 poses of scene0707_00 is finite") as error:
        opened("scannet", tmp_path)
    assert Problem.LOST_POSES in {finding.what for finding in error.value.findings}
    clip = opened("scannet", tmp_path, SELECTIONS["scannet/stride3-50"])  # the protocol decides what that means
    assert np.isnan(cameras(clip)).all()
    with pytest.raises(ValueError, match="is finite"):
        open_clip(folder, policy=POLICY)


@pytest.mark.parametrize("kind", ["scannet", "tum", "7scenes", "sintel", "nrgbd", "nyu", "transforms.json"])
def test_fewer_depth_maps_than_images(written, tmp_path, kind):
    folder = written(kind)
    files = sorted({*folder.rglob("*depth*/*.png"), *folder.rglob("*depth*.png"), *tmp_path.rglob("*.dpt")})
    for path in files[-2:]:
        path.unlink()
    if kind == "tum":
        lines = (folder / "depth.txt").read_text().splitlines()
        (folder / "depth.txt").write_text("\n".join(lines[:-2]))
    clip = opened(kind, tmp_path)
    assert "10 depth maps for 12 images" in found(clip, Problem.MISSING_DEPTH).detail
    if clip.camera_to_world is not None:
        assert len(clip.timestamps) == FRAMES
        assert sum(clip.depth(i) is None for i in range(FRAMES)) == 2


@pytest.mark.parametrize(("factor", "says"), [(1e-3, "1000 times"), (5000 / 256, "0.05"), (256 / 5000, "5"), (25, "5")])
def test_depth_in_the_wrong_unit_is_named_by_its_median(written, tmp_path, factor, says):
    folder = written("scannet")
    for path in folder.glob("depth/*.png"):
        wrong = np.asarray(Image.open(path)).astype(np.float64) * factor
        Image.fromarray(np.round(wrong).clip(0, 65535).astype(np.uint16)).save(path)
    finding = found(opened("scannet", tmp_path), Problem.DEPTH_SCALE)
    assert "the median depth of scene0707_00 is" in finding.detail
    assert says in finding.detail
    assert "values a metre" in finding.cure


def test_a_wrong_scale_within_the_plausible_is_told_by_re_projection(written, tmp_path):
    """5 times too near is still a room; only poses and depth together show it."""
    folder = written("tum")
    for path in folder.glob("depth/*.png"):
        Image.fromarray(np.asarray(Image.open(path)) // 5).save(path)
    clip = opened("tum", tmp_path)
    assert Problem.DEPTH_SCALE not in {finding.what for finding in clip.findings}
    (finding,) = check_poses(clip)
    assert finding.what is Problem.POSES_DISAGREE


@pytest.mark.parametrize(
    ("change", "words"), [(np.linalg.inv, "inverse poses"), (lambda pose: pose @ np.diag([1.0, -1, -1, 1]), "OpenGL")]
)
def test_poses_of_another_convention_are_told_by_re_projection(written, tmp_path, change, words):
    folder = written("scannet")
    for path in folder.glob("pose/*.txt"):
        np.savetxt(path, change(np.loadtxt(path)))
    (place,) = DATASETS["scannet"].sequences(tmp_path)
    result = inspect_sequence(DATASETS["scannet"].layout, place)
    finding = found(result, Problem.POSES_DISAGREE)
    assert words in finding.detail
    assert result.poses == FRAMES


def test_unsorted_names_and_rows(written, tmp_path):
    written("scannet")
    finding = found(opened("scannet", tmp_path), Problem.UNSORTED)
    assert "as text, 10.jpg of scene0707_00 stands before 2.jpg" in finding.detail
    assert finding.severity is Severity.NOTE


def test_a_list_that_is_not_in_the_order_of_time(written, tmp_path):
    folder = written("tum")
    lines = (folder / "rgb.txt").read_text().splitlines()
    (folder / "rgb.txt").write_text("\n".join([lines[0], *reversed(lines[1:])]))
    clip = opened("tum", tmp_path)
    assert (np.diff(clip.timestamps) > 0).all()
    assert "row 2 of" in found(clip, Problem.UNSORTED).detail


def test_unreadable_images_are_skipped_and_named(written, tmp_path):
    folder = written("scannet")
    (folder / "color/3.jpg").write_bytes(b"broken")
    clip = opened("scannet", tmp_path)
    assert len(list(clip.source)) == FRAMES - 1
    assert [name for name, _ in clip.source.skipped] == ["3.jpg"]
    (place,) = DATASETS["scannet"].sequences(tmp_path)
    quick = inspect_sequence(DATASETS["scannet"].layout, place)
    assert Problem.UNREADABLE not in {finding.what for finding in quick.findings}
    slow = inspect_sequence(DATASETS["scannet"].layout, place, every_file=True)
    assert found(slow, Problem.UNREADABLE).where.endswith("3.jpg")


def test_unreadable_depth_is_named(written, tmp_path):
    folder = written("sintel")
    (tmp_path / "training/depth/alley_2/frame_0001.dpt").write_bytes(b"broken")
    clip = opened("sintel", tmp_path)
    assert "frame_0001.dpt" in found(clip, Problem.UNREADABLE).detail
    assert clip.depth(5) is not None
    assert folder.is_dir()


BROKEN = {  # layout -> a file, which becomes nonsense, and what is left of twelve frames (None: nothing can be judged)
    "scannet": ("scans_test/scene0707_00/pose/5.txt", 11),
    "tum": ("rgbd_dataset_freiburg9_box/groundtruth.txt", 12),
    "bonn": ("rgbd_bonn_dataset/rgbd_bonn_box/depth.txt", 12),
    "7scenes": ("chess/seq-03/frame-000005.pose.txt", 11),
    "sintel": ("training/camdata_left/alley_2/frame_0006.cam", 11),
    "kitti-odometry": ("poses/06.txt", None),
    "nrgbd": ("breakfast_room/focal.txt", 12),
    "transforms.json": ("box/transforms.json", None),
    "colmap": ("box/sparse/0/images.txt", None),
    "trajectory.txt": ("box/trajectory.txt", 12),
    "poses.txt": ("box/poses.txt", 12),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_of_nonsense_is_an_error_that_leaves_the_rest(written, tmp_path, kind):
    folder = written(kind)
    file, left = BROKEN[kind]
    (tmp_path / file).write_text("no such thing")
    dataset = DATASETS[LAYOUTS[kind].dataset]
    (place,) = dataset.sequences(tmp_path)
    result = inspect_sequence(dataset.layout, place)
    assert max(finding.severity for finding in result.findings) is Severity.ERROR
    assert any(file.split("/")[-1] in finding.detail for finding in result.findings)
    if left is None:
        with pytest.raises(BadSequence, match=file.split("/")[-1]):
            dataset.open(tmp_path, place.name, POLICY)
    else:
        clip = dataset.open(tmp_path, place.name, POLICY)
        assert len(clip.timestamps) == left
        assert found(clip, Problem.UNREADABLE).severity is Severity.ERROR
        assert len(open_clip(folder, policy=POLICY, skip_broken=True).timestamps) == left
    with pytest.raises(ValueError, match=file.split("/")[-1]):
        open_clip(folder, policy=POLICY)


def test_files_that_a_list_names_and_that_are_not_there(written, tmp_path):
    folder = written("tum")
    (folder / "rgb/1000.200000.png").unlink()
    clip = opened("tum", tmp_path)
    assert len(clip.timestamps) == FRAMES - 1
    assert "1 of 12 files that" in found(clip, Problem.MISSING_FILE).detail
    with pytest.raises(FileNotFoundError, match="1000.200000.png"):
        open_clip(folder, policy=POLICY)
    assert len(open_clip(folder, policy=POLICY, skip_broken=True).timestamps) == FRAMES - 1


def test_a_sequence_shorter_than_asked(written, tmp_path):
    written("scannet")
    clip = opened("scannet", tmp_path, SELECTIONS["scannet/stride3-1000"])
    assert len(clip.timestamps) == 4
    assert "gives 4 frames where scannet/stride3-1000 asks for 1000" in found(clip, Problem.TOO_SHORT).detail


def test_nothing_left_says_why(written, tmp_path):
    written("bonn")
    with pytest.raises(BadSequence, match="no frame of rgbd_bonn_box remains of 12 images") as error:
        opened("bonn", tmp_path, SELECTIONS["bonn/500"])  # which begins at frame 30
    assert {finding.what for finding in error.value.findings} == {Problem.TOO_SHORT}


def test_one_bad_sequence_does_not_stop_the_others(tmp_path):
    LAYOUTS["scannet"].write(tmp_path)
    (tmp_path / "scans_test/scene0707_00").rename(tmp_path / "scans_test/scene0708_00")
    LAYOUTS["scannet"].write(tmp_path)
    for path in (tmp_path / "scans_test/scene0707_00/pose").iterdir():
        path.write_text("nonsense")
    scannet = DATASETS["scannet"]
    places, missing = places_of(SELECTIONS["scannet/stride3-50"], tmp_path)
    assert [place.name for place in places] == ["scene0707_00", "scene0708_00"]
    assert len(missing) == 98
    assert {finding.what for finding in missing} == {Problem.MISSING_SEQUENCE}
    assert "http://www.scan-net.org" in missing[0].cure
    reports = [inspect_sequence(scannet.layout, place) for place in places]
    heaviest = [max(finding.severity for finding in report.findings) for report in reports]
    assert heaviest == [Severity.ERROR, Severity.NOTE]
    assert [report.poses for report in reports] == [0, FRAMES]


def test_a_missing_package_of_a_dataset_is_named(written, tmp_path):
    folder = written("kitti-depth")
    (tmp_path / "2011_09_26").rename(tmp_path / "elsewhere")
    with pytest.raises(BadSequence, match="get the raw recordings"):
        opened("kitti-depth", tmp_path)
    with pytest.raises(FileNotFoundError, match="no image of 2011_09_26_drive_0002_sync"):
        open_clip(folder, policy=POLICY)


def test_poses_by_rank_of_another_number_are_doubted(written, tmp_path):
    folder = written("poses.txt")
    rows = (folder / "poses.txt").read_text().splitlines()
    (folder / "poses.txt").write_text("\n".join(rows[:-2]))
    clip = opened("poses.txt", tmp_path)
    assert len(clip.timestamps) == FRAMES - 2
    assert any("10 poses for 12 images" in finding.detail for finding in clip.findings)


def test_lens_distortion_is_noted(written, tmp_path):
    folder = written("transforms.json")
    content = json.loads((folder / "transforms.json").read_text())
    (folder / "transforms.json").write_text(json.dumps({**content, "k1": 0.1}))
    assert "k1=0.1" in found(opened("transforms.json", tmp_path), Problem.CAMERA_MODEL).detail
    folder = folder.rename(tmp_path / "other")
    (folder / "transforms.json").unlink()
    LAYOUTS["colmap"].write(tmp_path / "colmap")
    camera = tmp_path / "colmap/box/sparse/0/cameras.txt"
    camera.write_text("1 OPENCV 64 48 55 57 32 24 0.1 0 0 0\n")
    clip = open_clip(tmp_path / "colmap/box", policy=POLICY)
    assert "OPENCV" in found(clip, Problem.CAMERA_MODEL).detail
    np.testing.assert_array_equal(intrinsics(clip), [[55, 0, 31.5], [0, 57, 23.5], [0, 0, 1]])


def test_depths_and_poses_without_image_are_named(written, tmp_path):
    folder = written("scannet")
    for i in (7, 9):
        (folder / f"color/{i}.jpg").unlink()
    clip = opened("scannet", tmp_path)
    assert len(clip.timestamps) == FRAMES - 2
    details = [finding.detail for finding in clip.findings if finding.what is Problem.MISSING_FILE]
    assert details == [f"2 of 12 {kind} of scene0707_00 have no image" for kind in ("depth maps", "poses")]


def test_a_sequence_of_kitti_that_is_not_whole(written, tmp_path):
    folder = written("kitti-odometry")
    for i in range(8, FRAMES):
        (folder / f"image_2/{i:06d}.png").unlink()
    clip = opened("kitti-odometry", tmp_path)
    assert len(clip.timestamps) == 8
    assert "4 of 12 poses of" in found(clip, Problem.MISSING_FILE).detail


def test_images_of_bonn_that_its_list_does_not_name(written, tmp_path):
    folder = written("bonn")
    lines = (folder / "rgb.txt").read_text().splitlines()
    (folder / "rgb.txt").write_text("\n".join(lines[:-1]))
    clip = opened("bonn", tmp_path)
    assert (
        "holds 1 images that rgb.txt does not list, such as 1001.100000.png" in found(clip, Problem.MISSING_FILE).detail
    )


def test_images_counted_from_one_and_poses_from_zero_go_by_rank(written, tmp_path):
    folder = written("trajectory.txt")
    whole = opened("trajectory.txt", tmp_path)
    for i in reversed(range(FRAMES)):
        (folder / f"{i}.png").rename(folder / f"{i + 1}.png")
    clip = opened("trajectory.txt", tmp_path)
    np.testing.assert_array_equal(cameras(clip), cameras(whole))


def test_images_called_by_times_have_the_pose_of_their_time(written, tmp_path):
    folder = written("trajectory.txt")
    whole = cameras(opened("trajectory.txt", tmp_path))
    for i in range(FRAMES):
        (folder / f"{i}.png").rename(folder / f"{1000 + i / 10 + 0.004:.3f}.png")
    rows = (folder / "trajectory.txt").read_text().splitlines()
    moved = [f"{1000 + i / 10:.3f} {row.split(maxsplit=1)[1]}" for i, row in enumerate(rows) if i != 4]
    (folder / "trajectory.txt").write_text("\n".join(reversed(moved)))
    clip = opened("trajectory.txt", tmp_path)
    np.testing.assert_array_equal(cameras(clip), whole[[i for i in range(FRAMES) if i != 4]])
    assert "1 of 12 images of box have no pose within 0.02 s" in found(clip, Problem.MISSING_POSES).detail
