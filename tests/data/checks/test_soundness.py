"""Files that cannot belong together: depth of another shape, cameras that are none, stamps given twice, links."""

import numpy as np
import pytest
from layouts_on_disk import FRAMES, LAYOUTS
from PIL import Image

from ttt3r.data import DATASETS, CropToPatches, Problem, open_clip, recognise
from ttt3r.data.checks.checking import check_intrinsics, reprojection_error
from ttt3r.data.checks.inspection import inspect_sequence

POLICY = CropToPatches(64)


def inspected(kind, root, every_file=False):
    dataset = DATASETS[LAYOUTS[kind].dataset]
    (place,) = dataset.sequences(root)
    return {finding.what: finding for finding in inspect_sequence(dataset.layout, place, every_file).findings}


def resized(path, size):
    Image.open(path).resize(size, Image.Resampling.NEAREST).save(path)


@pytest.mark.parametrize("size", [(7, 5), (2, 2), (48, 64), (64, 64), (4, 3)])
@pytest.mark.parametrize("kind", ["tum", "transforms.json", "scannet"])
def test_depth_maps_that_cannot_be_of_the_image_are_found_and_refused(tmp_path, kind, size):
    LAYOUTS[kind].write(tmp_path)
    folder = tmp_path / LAYOUTS[kind].folder
    if size in ((7, 5), (4, 3)):  # of the image's shape to a pixel, and far too small
        for path in [*folder.glob("rgb/*"), *folder.glob("images/*"), *folder.glob("color/*")]:
            resized(path, (320, 240))
    for path in folder.glob("depth/*.png"):
        resized(path, size)
    assert "pixels for an image of" in inspected(kind, tmp_path)[Problem.DEPTH_SIZE].detail
    clip = open_clip(folder, policy=POLICY)
    for read in (clip.depth, clip.visible_depth, clip.prepared_depth):
        with pytest.raises(ValueError, match=rf"frame 3 of .* has {size[0]} x {size[1]} pixels"):
            read(3)


def test_one_depth_map_of_another_size_is_found_among_all(tmp_path):
    LAYOUTS["tum"].write(tmp_path)
    folder = tmp_path / LAYOUTS["tum"].folder
    resized(sorted(folder.glob("depth/*.png"))[3], (10, 48))
    assert Problem.DEPTH_SIZE in inspected("tum", tmp_path, every_file=True)


def test_depth_of_half_the_size_re_projects_by_half_the_camera(tmp_path):
    LAYOUTS["tum"].write(tmp_path)
    folder = tmp_path / LAYOUTS["tum"].folder
    whole = reprojection_error(open_clip(folder, policy=POLICY), 0, 8)
    for path in folder.glob("depth/*.png"):
        resized(path, (32, 24))
    clip = open_clip(folder, policy=POLICY)
    K = clip.depth_camera((32, 24))
    assert K is not None
    # the middle of the image stays the middle: (31.5 + 0.5) / 2 - 0.5 = 15.5
    np.testing.assert_allclose(K, [[27.5, 0, 15.5], [0, 28.5, 11.5], [0, 0, 1]])
    assert reprojection_error(clip, 0, 8) < 3 * whole < 0.03
    assert Problem.DEPTH_SIZE not in inspected("tum", tmp_path)


def test_transposed_rotations_are_told_by_re_projection(tmp_path):
    LAYOUTS["scannet"].write(tmp_path)
    for path in tmp_path.rglob("pose/*.txt"):
        pose = np.loadtxt(path)
        pose[:3, :3] = pose[:3, :3].T
        np.savetxt(path, pose)
    assert "transposed rotations" in inspected("scannet", tmp_path)[Problem.POSES_DISAGREE].detail


@pytest.mark.parametrize(
    "K", [np.zeros((3, 3)), np.full((3, 3), np.nan), np.diag([0.0, 5, 1]), np.eye(3)[:, [2, 1, 0]]]
)
def test_cameras_without_a_focal_length_are_not_used(tmp_path, K):
    LAYOUTS["tum"].write(tmp_path)
    np.savetxt(tmp_path / LAYOUTS["tum"].folder / "camera-intrinsics.txt", K)
    assert "no camera matrix" in inspected("tum", tmp_path)[Problem.CAMERA_MODEL].detail


@pytest.mark.parametrize(("K_of", "hint"), [((640, 480), "640 x 480"), ((160, 120), "160 x 120"), ((320, 240), None)])
def test_intrinsics_of_another_image_size(K_of, hint):
    K = np.array([[300.0, 0, K_of[0] / 2 - 0.5], [0, 300, K_of[1] / 2 - 0.5], [0, 0, 1]])
    found = check_intrinsics(K, (320, 240), "x")
    assert found == [] if hint is None else hint in found[0].detail


def test_two_poses_with_one_stamp_and_a_jump_are_found(tmp_path):
    LAYOUTS["tum"].write(tmp_path)
    path = tmp_path / LAYOUTS["tum"].folder / "groundtruth.txt"
    rows = np.loadtxt(path)
    rows[5, 0] = rows[4, 0]
    rows[8, 1] += 3000
    np.savetxt(path, rows, fmt="%.6f")
    found = inspected("tum", tmp_path)
    assert "1 times stand twice or more among the poses" in found[Problem.GIVEN_TWICE].detail
    assert "1000.397" in found[Problem.GIVEN_TWICE].detail
    assert "jumps 2 times" in found[Problem.IMPLAUSIBLE_POSES].detail
    rows[8, 1] = 1e30
    np.savetxt(path, rows, fmt="%.6f")
    assert "absurd" in inspected("tum", tmp_path)[Problem.IMPLAUSIBLE_POSES].detail
    assert len(open_clip(path.parent, policy=POLICY).timestamps) == FRAMES - 2  # one without a pose, one lost


def test_a_sequence_behind_links_is_found_once(tmp_path):
    root = tmp_path / "root"
    LAYOUTS["scannet"].write(root)
    place = root / LAYOUTS["scannet"].folder
    (root / "a_link").symlink_to(place, target_is_directory=True)
    (root / "scans_test/loop").symlink_to(root, target_is_directory=True)
    (found,) = recognise(root)["scannet"]
    assert found.folder == place  # its own place, though the link stands before it
    outside = tmp_path / "other"
    outside.mkdir()
    for name in ("one", "two"):
        (outside / name).symlink_to(place, target_is_directory=True)
    assert [found.folder.name for found in recognise(outside)["scannet"]] == ["one"]


def test_links_to_nothing_are_named(tmp_path):
    LAYOUTS["scannet"].write(tmp_path)
    path = tmp_path / LAYOUTS["scannet"].folder / "color/4.jpg"
    path.unlink()
    path.symlink_to(tmp_path / "gone.jpg")
    (place,) = DATASETS["scannet"].sequences(tmp_path)
    details = [finding.detail for finding in inspect_sequence(DATASETS["scannet"].layout, place).findings]
    (detail,) = [text for text in details if "1 of 12 images of scene0707_00 are links to nothing" in text]
    assert "4.jpg" in detail
