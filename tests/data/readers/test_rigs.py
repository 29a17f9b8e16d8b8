"""Cameras on bodies: EuRoC, Oxford Spires, VBR, against poses and times that are known in closed form."""

from dataclasses import replace

import numpy as np
import pytest
from layouts_on_disk import FRAMES, LAYOUTS, MOUNT, cameras, intrinsics, make_world
from PIL import Image

from ttt3r.data import DATASETS, CropToPatches, Problem, Severity, open_clip, recognise
from ttt3r.data.checks.inspection import inspect_sequence
from ttt3r.data.sequences.layouts import LAYOUTS as READERS
from ttt3r.data.sequences.recording import Poses
from ttt3r.data.sequences.rigs import Calibration, lens_camera, on_body

POLICY = CropToPatches(64)
GENERAL = {"bonn": {"TUM RGB-D"}, "eth3d-slam": {"TUM RGB-D"}}
"""Of these layouts a more general reader would take the folder, too; the special one stands before it."""


@pytest.fixture
def opened(tmp_path):
    """Writes a layout, changes it, and reads it."""

    def read(kind, change=lambda folder: None):
        LAYOUTS[kind].write(tmp_path)
        folder = tmp_path / LAYOUTS[kind].folder
        change(folder)
        return open_clip(folder, policy=POLICY, skip_broken=True)

    return read


def changed(path, *pairs):
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_layout_is_recognised_by_its_reader_alone(kind, tmp_path):
    LAYOUTS[kind].write(tmp_path)
    folder, own = tmp_path / LAYOUTS[kind].folder, DATASETS[LAYOUTS[kind].dataset].layout
    found = [layout.name for layout in READERS if layout.recognises(folder)]
    assert found[0] == own.name
    assert set(found[1:]) <= GENERAL.get(kind, set()) | {"folder with poses"}
    for path in [tmp_path, *(path for path in tmp_path.rglob("*") if path.is_dir())]:
        if path != folder:
            assert [layout.name for layout in READERS if layout.recognises(path)] in ([], [own.name]), path


def test_a_camera_ahead_of_its_body_in_closed_form():
    """The body stands at (1, 2, 3) and has turned left by 90 degrees; the camera sits 0.5 m ahead of it and looks ahead."""
    ahead = np.array([[0.0, 0, 1, 0.5], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    body = np.array([[0.0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]])
    camera = on_body(Poses(body[None], np.zeros(1)), ahead).camera_to_world[0]
    np.testing.assert_allclose(camera[:3, 3], [1, 2.5, 3])
    np.testing.assert_allclose(camera[:3, 2], [0, 1, 0])  # it looks along +y
    np.testing.assert_allclose(camera[:3, 1], [0, 0, -1])  # its down is the world's down
    np.testing.assert_allclose(camera[:3, 0], [1, 0, 0])


@pytest.mark.parametrize("kind", ["euroc", "oxford-spires", "vbr"])
def test_poses_are_those_of_the_camera_and_not_of_the_body(opened, kind):
    world = make_world()
    found = cameras(opened(kind))
    np.testing.assert_allclose(found, world.camera_to_world, atol=1e-7)
    apart = np.linalg.norm(found[:, :3, 3] - (world.camera_to_world @ np.linalg.inv(MOUNT))[:, :3, 3], axis=1)
    np.testing.assert_allclose(apart, np.linalg.norm(MOUNT[:3, 3]))


@pytest.mark.parametrize(
    ("kind", "truth", "tolerance"),
    [
        ("euroc", "mav0/state_groundtruth_estimate0/data.csv", 0.02),
        ("oxford-spires", "processed/trajectory/gt-tum.txt", 0.025),
        ("vbr", "../spagna_train0/spagna_train0_gt.txt", 0.05),
    ],
)
def test_the_nearest_pose_is_taken_up_to_a_gap(opened, kind, truth, tolerance):
    """All poses are moved in time by a little less, and a little more, than the gap that is allowed."""

    def moved(offset):
        def change(folder):
            lines = (folder / truth).read_text().splitlines()
            comma, nano = ("," in lines[1]), kind == "euroc"
            rows = [line.replace(",", " ").split() for line in lines if not line.startswith("#")]
            own = {"euroc": 0.002, "oxford-spires": 0.01, "vbr": 0.03}[kind]
            for row in rows:
                time = float(row[0]) + (offset - own) * (1e9 if nano else 1)
                row[0] = f"{time:.0f}" if nano else f"{time:.6f}"
            (folder / truth).write_text("\n".join(("," if comma else " ").join(row) for row in rows) + "\n")

        return change

    clip = opened(kind, moved(0.9 * tolerance))
    assert len(clip.timestamps) == FRAMES
    np.testing.assert_allclose(cameras(clip), make_world().camera_to_world, atol=1e-7)


def test_images_without_a_near_pose_are_left_out_and_named(opened):
    def change(folder):
        path = folder / "mav0/state_groundtruth_estimate0/data.csv"
        lines = path.read_text().splitlines()
        path.write_text("\n".join([*lines[:1], *lines[4:]]) + "\n")  # the first three images have none within 0.02 s

    clip = opened("euroc", change)
    assert len(clip.timestamps) == FRAMES - 3
    np.testing.assert_allclose(cameras(clip), make_world().camera_to_world[3:], atol=1e-7)
    assert Problem.MISSING_POSES in {finding.what for finding in clip.findings}


def test_the_lens_is_named(opened):
    clip = opened("euroc")
    (note,) = [finding for finding in clip.findings if finding.what is Problem.CAMERA_MODEL]
    assert note.severity is Severity.NOTE
    assert "radial-tangential, k1=-0.283408, k2=0.0739591, p1=0.00019359, p2=1.76187e-05" in note.detail


def test_a_fisheye_is_a_warning(tmp_path):
    LAYOUTS["oxford-spires"].write(tmp_path)
    changed(tmp_path / "calibration/cam0.yaml", ("plumb_bob", "equidistant"), ("[0.0, 0.0", "[-0.04, 0.0"))
    (place,) = DATASETS["oxford-spires"].sequences(tmp_path)
    found = inspect_sequence(DATASETS["oxford-spires"].layout, place)
    (warning,) = [finding for finding in found.findings if finding.what is Problem.CAMERA_MODEL]
    assert warning.severity is Severity.WARNING
    assert "is a fisheye (equidistant, k1=-0.04)" in warning.detail


def test_images_of_another_size_scale_the_matrix(opened):
    def change(folder):
        for path in (folder / "camera_left/data").iterdir():
            Image.new("RGB", (32, 24)).save(path)

    matrix = make_world().K
    np.testing.assert_allclose(intrinsics(opened("vbr", change))[:2, :2], matrix[:2, :2] / 2)


def test_the_extrinsic_of_spires_in_its_other_form(opened):
    """t_xyz_q_xyzw instead of a matrix, a base of its own, and the calibration in a folder of its date."""
    from scipy.spatial.transform import Rotation

    def change(folder):
        home = folder.parent.parent / "calibration"
        lidar_to_camera = np.linalg.inv(MOUNT)
        seven = [*lidar_to_camera[:3, 3], *Rotation.from_matrix(lidar_to_camera[:3, :3]).as_quat()]
        text = f"cam0:\n  T_cam_lidar_t_xyz_q_xyzw_overwrite: {[float(x) for x in seven]}\n"
        (home / "cam-lidar-imu.yaml").write_text(text + "T_base_lidar_t_xyz_q_xyzw: [0, 0, 0, 0, 0, 0, 1]\n")
        dated = home / "calibration-2024-06-29"
        dated.mkdir()
        for name in ("cam-lidar-imu.yaml", "cam0.yaml"):
            (home / name).rename(dated / name)

    np.testing.assert_allclose(cameras(opened("oxford-spires", change)), make_world().camera_to_world, atol=1e-7)


@pytest.mark.parametrize("place", ["raw/cam0", "images/cam0"])
def test_images_of_spires_may_be_unpacked_elsewhere(opened, place):
    def change(folder):
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / "raw/images/cam0").rename(folder / place)

    assert len(opened("oxford-spires", change).timestamps) == FRAMES


def test_a_time_has_nanoseconds_of_any_number_of_digits(opened):
    def change(folder):
        path = folder / "raw/images/cam0"
        (path / "1710256011.050000000.jpg").rename(path / "1710256011.50000000.jpg")  # 0.05 s, not 0.5 s

    np.testing.assert_allclose(opened("oxford-spires", change).timestamps[1] - 1710256011, 0.05, atol=1e-6)


def test_files_of_vbr_may_lie_in_the_converted_folder(tmp_path):
    LAYOUTS["vbr"].write(tmp_path)
    folder = tmp_path / LAYOUTS["vbr"].folder
    for path in (tmp_path / "spagna/spagna_train0").iterdir():
        path.rename(folder / path.name)
    assert {name: [place.name for place in places] for name, places in recognise(tmp_path).items()} == {
        "vbr": ["spagna_train0"]
    }
    np.testing.assert_allclose(cameras(open_clip(folder, policy=POLICY)), make_world().camera_to_world, atol=1e-7)


def test_one_bag_of_vbr_is_a_sequence_of_its_own(tmp_path):
    LAYOUTS["vbr"].write(tmp_path)
    folder = tmp_path / LAYOUTS["vbr"].folder
    folder.rename(folder.with_name("spagna_train0_01_kitti"))
    (place,) = DATASETS["vbr"].sequences(tmp_path)
    assert (place.name, place.scene) == ("spagna_train0_01", "spagna")
    found = cameras(open_clip(place.folder, policy=POLICY))
    np.testing.assert_allclose(found, make_world().camera_to_world, atol=1e-7)


def test_a_folder_of_tum_with_a_calibration_stays_one_of_tum(tmp_path):
    LAYOUTS["tum"].write(tmp_path)
    (tmp_path / LAYOUTS["tum"].folder / "calibration.txt").write_text("1 1 0 0\n")
    assert list(recognise(tmp_path)) == ["tum"]


def test_names_are_times_where_the_list_of_euroc_is_missing(opened):
    clip = opened("euroc", lambda folder: (folder / "mav0/cam0/data.csv").unlink())
    np.testing.assert_allclose(cameras(clip), make_world().camera_to_world, atol=1e-7)
    assert any("the names of the images are taken for their times" in str(finding) for finding in clip.findings)


@pytest.mark.parametrize(
    ("kind", "file", "old", "new", "said"),
    [
        ("euroc", "mav0/cam0/sensor.yaml", "T_BS", "T_SB", r"sensor.yaml: T_BS must be 16 or 12 finite numbers"),
        ("euroc", "mav0/cam0/sensor.yaml", "[0.0, 0.0, 1.0", "[0.0, 0.5, 1.0", "T_BS is no rotation and translation"),
        ("euroc", "mav0/cam0/sensor.yaml", "[0.0, 0.0, 1.0", "[0.0, 0.0, -1.0", "T_BS is no rotation and translation"),
        ("vbr", "../spagna_train0/vbr_calib.yaml", "cam_l", "camera", r"has no part cam_l; it holds camera, lidar"),
        ("vbr", "../spagna_train0/vbr_calib.yaml", "  T_b", "  T_x", r"cam_l.T_b must be 16 or 12 finite numbers"),
        (
            "oxford-spires",
            "../../calibration/cam-lidar-imu.yaml",
            "T_cam_lidar",
            "T_lidar",
            r"has none of cam0.T_cam_lidar_t",
        ),
        ("oxford-spires", "../../calibration/cam-lidar-imu.yaml", "cam0", "{", r"cam-lidar-imu.yaml is no YAML file"),
    ],
)
def test_without_an_extrinsic_there_is_no_pose_and_the_reason(kind, file, old, new, said, tmp_path):
    """The body's poses are never given for the camera's."""
    LAYOUTS[kind].write(tmp_path)
    changed(tmp_path / LAYOUTS[kind].folder / file, (old, new))
    (place,) = DATASETS[LAYOUTS[kind].dataset].sequences(tmp_path)
    found = inspect_sequence(DATASETS[LAYOUTS[kind].dataset].layout, place)
    assert (found.frames, found.poses) == (FRAMES, 0)
    errors = [str(finding) for finding in found.findings if finding.severity is Severity.ERROR]
    assert any(np.array([said.replace("\\", "") in error for error in errors])), errors


def test_a_calibration_is_read_in_all_its_forms(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("%YAML:1.0\n---\nK: !!seq [1, 2]\nM: {rows: 2, cols: 2, data: [1, 2, 3, 4]}\nL: [[1, 2], [3, 4]]\n")
    calibration = Calibration.read(path)
    for key in ("M", "L"):
        np.testing.assert_array_equal(calibration.numbers(key, (4,)), [1, 2, 3, 4])
    for text in ("[1, 2]", "a: b: c", "", "!!python/object/apply:os.system ['true']", "x: &a [*a]\n  y", "\x00"):
        path.write_text(text)
        with pytest.raises(ValueError, match="a.yaml"):
            Calibration.read(path)


def test_lenses_have_one_name_each():
    pinhole, terms = np.array([1.0, 1, 0, 0]), np.array([0.1, 0, 0, 0])
    same = [lens_camera(pinhole, None, name, terms).lens for name in ("radtan", "plumb_bob", "radial-tangential")]
    assert {lens.name for lens in same} == {"DISTORTED"}
    assert lens_camera(pinhole, None, "radtan", 0 * terms).lens.name == "PERSPECTIVE"
    assert lens_camera(pinhole, None, "equidistant", 0 * terms).lens.name == "FISHEYE"
    assert lens_camera(pinhole, None, "omni", terms).focal is None
    assert replace(lens_camera(pinhole, None, "none", terms[:0]), about="").lens.name == "PERSPECTIVE"
