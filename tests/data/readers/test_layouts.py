"""Every layout, written by the tests and real: right frames, depth in metres, camera_to_world confirmed by re-projection."""

import numpy as np
import pytest
from layouts_on_disk import FRAMES, LAYOUTS, cameras, depth_map, intrinsics
from PIL import Image

from ttt3r.data import (
    DATASETS,
    BadSequence,
    CropToPatches,
    Problem,
    Sampling,
    Severity,
    open_clip,
    open_image,
    open_source,
    recognise,
)
from ttt3r.data.checks.checking import check_poses, reprojection_error
from ttt3r.data.checks.inspection import inspect_sequence
from ttt3r.data.frames.images import image_size

POLICY = CropToPatches(64)
every_layout = pytest.mark.parametrize("kind", LAYOUTS)


@every_layout
def test_a_sequence_is_found_named_and_read(kind, tmp_path):
    written = LAYOUTS[kind]
    written.write(tmp_path)
    dataset, world = DATASETS[written.dataset], written.world()
    assert {name: [p.name for p in places] for name, places in recognise(tmp_path).items()} == {
        written.dataset: [written.sequence]
    }
    (place,) = dataset.sequences(tmp_path)
    assert (place.scene, place.folder) == (written.scene, tmp_path / written.folder)
    assert dataset.scene_of(written.sequence) == written.scene  # also where nothing is there
    clip = dataset.open(tmp_path, written.sequence, POLICY)
    expected = range(written.skipped, FRAMES)
    assert (clip.name, clip.scene) == (written.sequence, written.scene)
    frames = list(clip.source)
    assert len(frames) == len(expected)
    if written.images:
        assert [frame.name for frame in frames] == written.names()[written.skipped :]
    for i, frame in zip(expected, frames, strict=True):  # the colour tells which image it is
        red, green, blue = ((frame.image.mean((0, 2, 3)) + 1) / 2 * 255).tolist()
        assert (red, green, blue) == pytest.approx((10 * i, 255 - 10 * i, 77), abs=3)
    times = written.start + written.step * np.array(expected)
    np.testing.assert_allclose(clip.timestamps, times, atol=1e-9)
    np.testing.assert_allclose(intrinsics(clip), world.K, atol=1e-9)
    if written.poses:
        np.testing.assert_allclose(cameras(clip), world.camera_to_world[written.skipped :], atol=1e-7)
    else:
        assert clip.camera_to_world is None
    if written.depth:
        measured = np.stack([depth_map(clip, i) for i in range(len(frames))])
        np.testing.assert_allclose(measured, world.depth[written.skipped :], atol=0.5 / 256)
    else:
        assert clip.depth_files is None


@pytest.mark.parametrize("kind", [kind for kind, written in LAYOUTS.items() if written.poses and written.depth])
def test_depth_moved_by_the_poses_lands_on_depth(kind, tmp_path):
    written = LAYOUTS[kind]
    written.write(tmp_path)
    clip = open_clip(tmp_path / written.folder, policy=POLICY)
    assert reprojection_error(clip, 0, FRAMES - 1) < 0.02
    assert check_poses(clip) == []
    wrong = np.linalg.inv(cameras(clip))
    assert reprojection_error(clip, 0, FRAMES - 1, wrong) > 0.1


@every_layout
def test_a_run_takes_all_colour_images(kind, tmp_path):
    written = LAYOUTS[kind]
    written.write(tmp_path)
    frames = list(open_source(tmp_path / written.folder, policy=POLICY))
    assert len(frames) == FRAMES
    assert not written.images or [frame.name for frame in frames] == written.names()


@every_layout
def test_what_is_whole_has_no_findings(kind, tmp_path):
    written = LAYOUTS[kind]
    written.write(tmp_path)
    dataset = DATASETS[written.dataset]
    (place,) = dataset.sequences(tmp_path)
    found = inspect_sequence(dataset.layout, place, every_file=True)
    assert (found.frames, found.size) == (FRAMES, written.size)
    assert found.poses == (FRAMES if written.poses else 0)
    assert found.depths == (FRAMES - written.skipped if written.depth else 0)
    heavy = [str(finding) for finding in found.findings if finding.severity > Severity.NOTE]
    if written.skipped:  # the first frames of a KITTI drive have no annotated depth
        assert {finding.what for finding in found.findings} == {Problem.MISSING_DEPTH}
    else:
        assert heavy == []


def test_many_datasets_below_one_root(tmp_path):
    for kind in (
        "scannet",
        "bonn",
        "tum",
        "7scenes",
        "sintel",
        "kitti-odometry",
        "nrgbd",
        "nyu",
        "transforms.json",
        "replica",
        "eth3d-slam",
        "euroc",
        "oxford-spires",
        "vbr",
        "nerfstudio",
    ):
        LAYOUTS[kind].write(tmp_path / kind)
    LAYOUTS["kitti-depth"].write(tmp_path / "kitti")
    found = recognise(tmp_path)
    assert set(found) == set(DATASETS)
    assert all(len(places) == 1 for places in found.values())
    for name, places in found.items():
        assert DATASETS[name].sequences(tmp_path) == places


def test_a_folder_with_one_sequence_is_that_sequence_and_with_two_is_refused(tmp_path):
    LAYOUTS["scannet"].write(tmp_path)
    assert open_clip(tmp_path / "scans_test", policy=POLICY).name == "scene0707_00"
    (tmp_path / "scans_test/scene0707_00").rename(tmp_path / "scans_test/scene0707_01")
    LAYOUTS["scannet"].write(tmp_path)
    with pytest.raises(ValueError, match=r"2 sequences \(scene0707_00, scene0707_01\)"):
        open_clip(tmp_path / "scans_test", policy=POLICY)
    assert {place.scene for place in DATASETS["scannet"].sequences(tmp_path)} == {"scene0707"}


def test_sampling_counts_frames_with_truth(tmp_path):
    LAYOUTS["kitti-depth"].write(tmp_path)
    sequence = LAYOUTS["kitti-depth"].sequence
    clip = DATASETS["kitti-depth"].open(tmp_path, sequence, POLICY, Sampling(stride=3, start=1))
    assert [frame.name for frame in clip.source] == [f"{i:010d}.png" for i in (6, 9)]


def test_an_unknown_sequence_says_where_to_get_it(tmp_path):
    with pytest.raises(BadSequence, match="no sequence nowhere of TUM RGB-D .*https://cvg") as error:
        DATASETS["tum"].open(tmp_path, "nowhere", POLICY)
    assert error.value.findings[0].what is Problem.MISSING_SEQUENCE
    with pytest.raises(FileNotFoundError, match="no folder at"):
        DATASETS["tum"].sequences(tmp_path / "nowhere")


def test_the_gathered_form_of_kitti_is_read_like_the_original(tmp_path):
    LAYOUTS["kitti-depth"].write(tmp_path)
    drive, kitti = "2011_09_26_drive_0002_sync", DATASETS["kitti-depth"]
    original = kitti.open(tmp_path, f"{drive}_02", POLICY)
    gathered = tmp_path / "depth_selection/val_selection_cropped"
    for old, new in (
        (f"2011_09_26/{drive}/image_02/data", "image_gathered"),
        (f"val/{drive}/proj_depth/groundtruth/image_02", "groundtruth_depth_gathered"),
    ):
        (gathered / new).mkdir(parents=True)
        (tmp_path / old).rename(gathered / new / f"{drive}_02")
    clip = kitti.open(tmp_path, f"{drive}_02", POLICY)
    assert [frame.name for frame in clip.source] == [f"{i:010d}.png" for i in range(5, FRAMES)]
    np.testing.assert_array_equal(clip.timestamps, original.timestamps)
    assert clip.depth(0) is not None


def test_the_clean_pass_of_sintel_has_its_own_name(tmp_path):
    LAYOUTS["sintel"].write(tmp_path)
    (tmp_path / "training/final").rename(tmp_path / "training/clean")
    (place,) = DATASETS["sintel"].sequences(tmp_path)
    assert (place.name, place.scene) == ("clean/alley_2", "alley_2")
    assert DATASETS["sintel"].open(tmp_path, "clean/alley_2", POLICY).camera_to_world is not None


def test_projected_depth_of_7_scenes_is_preferred_with_its_camera(tmp_path):
    LAYOUTS["7scenes"].write(tmp_path)
    folder = tmp_path / "chess/seq-03"
    (folder / "camera-intrinsics.txt").unlink()
    assert open_clip(folder, policy=POLICY).intrinsics[0, 0] == 585
    for path in folder.glob("*.depth.png"):
        path.rename(path.with_name(path.name.replace(".depth.", ".depth.proj.")))
    clip = open_clip(folder, policy=POLICY)
    assert clip.intrinsics[0, 0] == 525
    assert clip.depth(0) is not None


def test_file_names_are_times_where_a_list_is_missing(tmp_path):
    LAYOUTS["bonn"].write(tmp_path)
    folder = tmp_path / LAYOUTS["bonn"].folder
    whole = open_clip(folder, policy=POLICY)
    for kind in ("rgb", "depth"):
        (folder / f"{kind}.txt").unlink()
    clip = open_clip(folder, policy=POLICY)
    np.testing.assert_array_equal(clip.timestamps, whole.timestamps)
    np.testing.assert_array_equal(depth_map(clip, 7), depth_map(whole, 7))


def test_depth_of_another_size_is_cut_as_the_image_is(tmp_path):
    """ScanNet: images of 1296 x 968 lose 7 of 382 rows above and below, and so must depth maps of 640 x 480."""
    LAYOUTS["scannet"].write(tmp_path)
    folder = tmp_path / "scans_test/scene0707_00"
    Image.new("RGB", (1296, 968)).save(folder / "color/0.jpg")
    rows = np.repeat(np.arange(480, dtype=np.uint16)[:, None] + 1000, 640, axis=1)
    Image.fromarray(rows).save(folder / "depth/0.png")
    clip = DATASETS["scannet"].open(tmp_path, "scene0707_00", CropToPatches(512), Sampling(stop=1))
    assert clip.image_size == (1296, 968)
    assert next(iter(clip.source)).image.shape[-2:] == (368, 512)
    visible, prepared = clip.visible_depth(0), clip.prepared_depth(0)
    assert visible is not None
    assert prepared is not None
    first, last = 1000 * visible[[0, -1], 0] - 1000
    assert (first, last) == (pytest.approx(7 * 480 / 382, abs=0.51), pytest.approx(375 * 480 / 382 - 1, abs=0.51))
    assert prepared.shape == (368, 512)
    assert prepared[0, 0] == visible[0, 0]


def test_the_size_of_an_image_is_that_of_the_picture_upright(tmp_path):
    picture, exif = Image.new("RGB", (30, 20)), Image.Exif()
    for orientation, size in ((1, (30, 20)), (6, (20, 30)), (3, (30, 20))):
        exif[274] = orientation
        picture.save(tmp_path / "a.jpg", exif=exif)
        assert image_size(tmp_path / "a.jpg") == open_image(tmp_path / "a.jpg").size == size
    (tmp_path / "a.jpg").write_bytes(b"broken")
    assert image_size(tmp_path / "a.jpg") is None


REAL = {  # dataset -> (folder, sequence, frames, error of re-projection of the frames (0, last) or None)
    "7scenes": ("7scenes_layout", "redkitchen/seq-xx", 4, 0.01),
    "bonn": ("derived_layouts/bonn", "rgbd_bonn_cabinet", 3, 0.05),
    "nrgbd": ("derived_layouts/nrgbd", "redkitchen_demo", 2, 0.01),
    "scannet": ("derived_layouts/scannet", "scene9001_00", 2, 0.01),
    "sintel": ("derived_layouts/sintel", "redkitchen_1", 2, 0.01),
    "kitti-depth": ("kitti_depth", "metric3d_demo_02", 2, None),
    "kitti-odometry": ("kitti_odometry", "06", 26, None),
    "nyu": ("nyu", "nyu", 2, None),
    "posed": ("rgb_fox", "rgb_fox", 13, None),
    "tum": ("tum", "rgbd_dataset_freiburg3_cabinet", 58, None),
}


@pytest.mark.shared
@pytest.mark.parametrize("name", REAL)
def test_real_and_derived_sequences(name, shared):
    folder, sequence, frames, error = REAL[name]
    clip = DATASETS[name].open(shared / "data" / folder, sequence, CropToPatches(512))
    assert len(clip.timestamps) == len(list(clip.source)) == frames
    if error is not None:
        assert reprojection_error(clip, 0, frames - 1) < error
        assert check_poses(clip) == []
    depth = clip.depth(0)
    if depth is not None:
        low, high = (3, 40) if name == "kitti-depth" else (0.5, 5)
        assert low < np.median(depth[depth > 0]) < high


@pytest.mark.shared
def test_the_same_real_frames_in_different_layouts_are_the_same(shared):
    """Frames 0 and 10 of 7-Scenes were re-written in the layouts of ScanNet, Sintel and Neural RGB-D."""
    data = shared / "data"
    truth = open_clip(data / "rgbd_7scenes_redkitchen_0000_0159", policy=POLICY, sampling=Sampling(stride=10, stop=11))
    for name in ("scannet", "sintel", "nrgbd"):
        folder, sequence, *_ = REAL[name]
        clip = DATASETS[name].open(data / folder, sequence, POLICY)
        np.testing.assert_allclose(cameras(clip), cameras(truth), atol=1e-4)
        valid = (depth_map(truth, 1) > 0) & (depth_map(clip, 1) < 90)
        np.testing.assert_allclose(depth_map(clip, 1)[valid], depth_map(truth, 1)[valid], atol=1e-3)
        assert valid.mean() > 0.5
        np.testing.assert_allclose(intrinsics(clip), intrinsics(truth), atol=1e-3)


@pytest.mark.shared
def test_the_whole_folder_of_samples_is_recognised(shared):
    found = recognise(shared / "data")
    assert {name: len(places) for name, places in found.items()} == {
        **dict.fromkeys(REAL, 1),
        **{"7scenes": 2, "sintel": 2, "tum": 2},
    }


@pytest.mark.shared
def test_the_real_cabinet_re_projects(shared):
    clip = open_clip(shared / "data/tum/rgbd_dataset_freiburg3_cabinet", policy=POLICY)
    errors = [reprojection_error(clip, i, i + 1) for i in range(0, 50, 10)]
    assert np.median(errors) < 0.02
