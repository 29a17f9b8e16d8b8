"""`transforms.json` as programs write it: which camera, which depth unit, which files, and what is damaged."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from layouts_on_disk import FRAMES, HEIGHT, OPENGL, WIDTH, K, cameras, depth_map, image, intrinsics, make_world, png
from PIL import Image

from ttt3r.data import Clip, CropToPatches, Problem, Severity, open_clip, open_source
from ttt3r.data.readers.posed_folder import POSED_FOLDER
from ttt3r.data.sequences.dataset import recording_of
from ttt3r.data.sequences.depth import DepthFiles
from ttt3r.data.sequences.layout import Place
from ttt3r.data.sequences.recording import Recording

POLICY = CropToPatches(64)
CAMERA = {"fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2] + 0.5, "cy": K[1, 2] + 0.5, "w": WIDTH, "h": HEIGHT}
WRONG = {"fl_x": 9, "fl_y": 9, "cx": 1, "cy": 1, "w": 3 * WIDTH, "h": 3 * HEIGHT, "camera_angle_x": 0.1}
MIDDLE = [[0, 0, (WIDTH - 1) / 2], [0, 0, (HEIGHT - 1) / 2]]


def entries(name: str = "images/{:04d}.png", **more: object) -> list[dict]:
    poses = make_world().camera_to_world @ OPENGL
    return [{"file_path": name.format(i), "transform_matrix": pose.tolist(), **more} for i, pose in enumerate(poses)]


def write(folder: Path, frames: list, name: str = "transforms.json", **common: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps({**common, "frames": frames}))
    return folder


def room(folder: Path, place: str = "images/{:04d}.png", size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    for i in range(FRAMES):
        image(folder / place.format(i), i, size)
    return folder


def opened(folder: Path) -> Clip:
    clip = open_clip(folder, policy=POLICY)
    np.testing.assert_allclose(cameras(clip), make_world().camera_to_world, atol=1e-12)
    return clip


def listed(folder: Path) -> Recording:
    return recording_of(POSED_FOLDER, Place("room", "room", folder))


def details(clip: Clip | Recording, kind: Problem) -> str:
    return "\n".join(finding.detail for finding in clip.findings if finding.what is kind)


ANGLE = 2 * math.atan(WIDTH / 2 / 55)


@pytest.mark.parametrize(
    ("common", "own", "fx", "fy"),
    [
        (WRONG, CAMERA, 55, 57),
        ({}, CAMERA, 55, 57),
        (CAMERA, {}, 55, 57),
        ({"fl_x": 9, "fl_y": 9}, {"camera_angle_x": ANGLE}, 55, 55),
        ({"camera_angle_x": ANGLE}, {}, 55, 55),
        ({"camera_angle_x": ANGLE, "w": 2 * WIDTH, "h": 2 * HEIGHT}, {}, 55, 55),
        ({"camera_angle_y": 2 * math.atan(HEIGHT / 2 / 57)}, {}, 57, 57),
        ({"camera_angle_x": ANGLE, "camera_angle_y": 2 * math.atan(HEIGHT / 2 / 57)}, {}, 55, 57),
        ({"fl_x": 55}, {}, 55, 55),
        ({"fl_x": 55, "camera_angle_x": 0.1}, {}, 55, 55),
        ({"fl_x": 110, "fl_y": 114, "w": 2 * WIDTH, "h": 2 * HEIGHT}, {}, 55, 57),
        ({"fl_x": 55, "fl_y": 57}, {"w": WIDTH, "h": HEIGHT}, 55, 57),
    ],
)
def test_which_camera_is_taken(tmp_path, common, own, fx, fy):
    clip = opened(write(room(tmp_path / "room"), entries(**own), **common))
    right = np.array([[fx, 0, 31.5], [0, fy, 23.5], [0, 0, 1]])
    np.testing.assert_allclose(intrinsics(clip), right)


def test_a_camera_of_larger_images_is_scaled_and_said_so(tmp_path):
    large = {"fl_x": 550, "fl_y": 570, "cx": 330.0, "cy": 250.0, "w": 640, "h": 480}
    clip = opened(write(room(tmp_path / "room"), entries(), **large))
    ray = np.linalg.inv([[550, 0, 329.5], [0, 570, 249.5], [0, 0, 1]]) @ [104.5, 204.5, 1]  # corner of pixels 10 and 20
    np.testing.assert_allclose(intrinsics(clip) @ ray, [10, 20, 1], atol=1e-12)
    assert "640x480, and those on disk are 64x48" in details(clip, Problem.CAMERA_MODEL)


def test_images_of_a_smaller_folder(tmp_path):
    folder = room(tmp_path / "room", "images_4/{:04d}.png", (16, 12))
    write(folder, entries("{:04d}.png"), **CAMERA)
    assert listed(folder).images.paths[0] == folder / "images_4/0000.png"
    np.testing.assert_allclose(np.array(listed(folder).intrinsics)[0], [K[0, 0] / 4, 0, 7.5])


def test_a_principal_point_off_the_middle_is_doubted_without_a_size(tmp_path):
    clip = opened(write(room(tmp_path / "room"), entries(), fl_x=110, fl_y=114, cx=64, cy=48))
    assert "far from the middle" in details(clip, Problem.CAMERA_MODEL)


@pytest.mark.parametrize("key", ["integer_depth_scale", "depth_unit_scale_factor"])
@pytest.mark.parametrize("own", [True, False])
def test_the_unit_of_depth(tmp_path, key, own):
    folder = room(tmp_path / "room")
    for i, depth in enumerate(make_world().depth):
        png(folder / f"deep/{i:04d}.png", depth, 4000)
    frames, unit = entries(), {key: 1 / 4000}
    for i, frame in enumerate(frames):
        frame.update({"depth_file_path": f"deep\\{i:04d}.png", **(unit if own else {})})
    common: dict = CAMERA if own else CAMERA | unit
    clip = opened(write(folder, frames, "transforms.json", **common))
    np.testing.assert_allclose(depth_map(clip, 3), make_world().depth[3], atol=2e-4)


@pytest.mark.parametrize(
    ("dtype", "per_metre", "unit"),
    [
        (np.float32, 1, {}),
        (np.float16, 1, {}),
        (np.float64, 1, {"integer_depth_scale": 1 / 4000}),  # says nothing of floats
        (np.float32, 4000, {"depth_unit_scale_factor": 1 / 4000}),
        (np.float32, 1, {"depth_unit_scale_factor": 1}),
        (np.uint16, 1000, {}),
        (np.int32, 4000, {"integer_depth_scale": 1 / 4000}),
    ],
)
@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (HEIGHT, WIDTH, 1), (1, HEIGHT, WIDTH)])
def test_depth_in_array_files(tmp_path, dtype, per_metre, unit, shape):
    folder, frames = room(tmp_path / "room"), entries()
    (folder / "deep").mkdir()
    for i, depth in enumerate(make_world().depth):
        np.save(folder / f"deep/{i:04d}.npy", (depth * per_metre).astype(dtype).reshape(shape))
        frames[i]["depth_file_path"] = f"deep/{i:04d}.npy"
    clip = opened(write(folder, frames, **CAMERA, **unit))
    assert details(clip, Problem.DEPTH_SCALE) == details(clip, Problem.UNREADABLE) == ""
    np.testing.assert_allclose(depth_map(clip, 3), make_world().depth[3], atol=3e-3)


def test_images_and_arrays_of_depth_in_one_file(tmp_path):
    folder, frames = room(tmp_path / "room"), entries()
    (folder / "deep").mkdir()
    for i, depth in enumerate(make_world().depth):
        path = folder / f"deep/{i:04d}.{'npy' if i % 2 else 'png'}"
        np.save(path, depth.astype(np.float32)) if i % 2 else png(path, depth, 4000)
        frames[i]["depth_file_path"] = f"deep/{path.name}"
    clip = opened(write(folder, frames, **CAMERA, integer_depth_scale=1 / 4000))
    for i in (4, 5):
        np.testing.assert_allclose(depth_map(clip, i), make_world().depth[i], atol=2e-4)


def test_arrays_called_like_the_images_are_their_depth(tmp_path):
    folder = write(room(tmp_path / "room"), entries(), **CAMERA)
    (folder / "depth").mkdir()
    for i, depth in enumerate(make_world().depth):
        np.save(folder / f"depth/{i:04d}.npy", depth)
    np.testing.assert_allclose(depth_map(opened(folder), 3), make_world().depth[3])


def test_what_an_array_does_not_measure_is_zero(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1.5, np.nan, np.inf], [-1, 0, 2]], np.float32))
    found = DepthFiles((tmp_path / "a.npy",), 1000.0).read(0)
    np.testing.assert_array_equal(np.array(found), [[1.5, 0, 0], [0, 0, 2]])


@pytest.mark.parametrize(
    "content",
    [
        np.zeros((2, 3, 4)),
        np.zeros(5),
        np.array("text"),
        np.zeros((2, 2), complex),
        np.array([[None]]),
        b"",
        b"no array",
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }"
        + 40 * b" "
        + b"\n",
    ],
)
def test_an_array_that_is_no_depth_is_named(tmp_path, content):
    path = tmp_path / "a.npy"
    path.write_bytes(content) if isinstance(content, bytes) else np.save(path, content, allow_pickle=True)
    with pytest.raises(ValueError, match="a.npy") as error:
        DepthFiles((path,), 1000.0).read(0)
    assert "\n" not in str(error.value)


def test_an_image_of_floats_holds_metres(tmp_path):
    Image.fromarray(make_world().depth[0].astype(np.float32)).save(tmp_path / "a.tif")
    found = DepthFiles((tmp_path / "a.tif",), 1000.0).read(0)
    np.testing.assert_allclose(np.array(found), make_world().depth[0], rtol=1e-6)


def test_a_unit_of_depth_that_is_not_read_is_named(tmp_path):
    folder = room(tmp_path / "room")
    frames = entries()
    for i, depth in enumerate(make_world().depth):
        png(folder / f"deep/{i}.png", depth, 1000)
        frames[i]["depth_file_path"] = f"deep/{i}.png"
    clip = opened(write(folder, frames, depth_scale=6553.5, **CAMERA))
    assert "depth_scale in" in details(clip, Problem.DEPTH_SCALE)


def test_positions_that_were_scaled_are_in_the_unit_of_depth_again(tmp_path):
    frames = entries()
    for frame in frames:
        frame["transform_matrix"] = [[*row[:3], row[3] * 0.25] for row in frame["transform_matrix"][:3]]
    opened(write(room(tmp_path / "room"), frames, applied_scale=0.25, **CAMERA))


@pytest.mark.parametrize(
    "name",
    ["images\\{:04d}.png", "./images/{:04d}.png", "images/{:04d}", ".\\images\\{:04d}", "images/{:04d}.PNG"]
    + ["/photos/room/images/{:04d}.png", "C:\\data\\room\\images\\{:04d}.png", "../other/images/{:04d}.png"],
)
def test_names_of_images(tmp_path, name):
    clip = opened(write(room(tmp_path / "room"), entries(name), **CAMERA))
    assert clip.findings == ()


def test_files_outside_of_the_folder_are_read_and_named(tmp_path):
    room(tmp_path / "pictures")
    image(tmp_path / "room/images/preview.png", 0)
    clip = opened(write(tmp_path / "room", entries("../pictures/images/{:04d}.png"), **CAMERA))
    assert "12 files" in details(clip, Problem.MISSING_FILE)
    assert "lie outside of" in details(clip, Problem.MISSING_FILE)


def test_relative_and_absolute_names_in_one_list(tmp_path, monkeypatch):
    room(tmp_path / "room")
    frames = entries()
    frames[0]["file_path"] = str(tmp_path / "room/images/0000.png")
    image(tmp_path / "away/0001.png", 1)
    frames[1]["file_path"] = str(tmp_path / "away/0001.png")
    write(tmp_path / "room", frames, "transforms.json", **CAMERA)
    monkeypatch.chdir(tmp_path)
    clip = open_clip("room", policy=POLICY)
    np.testing.assert_allclose(cameras(clip)[:2], make_world().camera_to_world[[1, 0]], atol=1e-12)  # away/, then room/
    assert details(clip, Problem.MISSING_POSES) == "1 of 13 images of room have no pose of its number (0001.png)"
    assert "1 files that" in details(clip, Problem.MISSING_FILE)
    monkeypatch.chdir(tmp_path / "room")
    assert open_clip(".", policy=POLICY).source.length == FRAMES


def test_folders_of_any_name_are_found(tmp_path):
    folder = room(tmp_path / "room", "sensor0/rgb/{:04d}.png")
    write(folder, entries("sensor0/rgb/{:04d}.png"), **CAMERA)
    assert opened(folder).findings == ()
    assert open_source(folder, policy=POLICY).length == FRAMES


@pytest.mark.parametrize("lost", [None, "absent", [], [[math.nan] * 4] * 4, [[None] * 4] * 4])
def test_a_frame_without_a_matrix_has_no_pose(tmp_path, lost):
    frames = entries()
    frames[3]["transform_matrix"] = lost
    if lost == "absent":
        del frames[3]["transform_matrix"]
    folder = write(room(tmp_path / "room"), frames, **CAMERA)
    clip = open_clip(folder, policy=POLICY)
    np.testing.assert_allclose(cameras(clip), np.delete(make_world().camera_to_world, 3, axis=0), atol=1e-12)
    kind = Problem.LOST_POSES if isinstance(lost, list) and lost else Problem.MISSING_POSES
    assert "1 of 12" in details(clip, kind)
    assert "0003.png" in details(clip, kind)


def test_images_that_are_not_listed_have_no_pose(tmp_path):
    folder = room(tmp_path / "room")
    for i in range(FRAMES):
        image(folder / f"images/{i:04d}_depth.png", i)  # no image of its own
    write(folder, entries()[::2], **CAMERA)
    assert len(listed(folder).images) == FRAMES
    assert "6 of 12 images of room have no pose" in details(listed(folder), Problem.MISSING_POSES)
    assert "0001.png, 0003.png" in details(open_clip(folder, policy=POLICY), Problem.MISSING_POSES)


def test_no_pose_at_all_is_an_error(tmp_path):
    frames = [{**frame, "transform_matrix": None} for frame in entries()]
    folder = write(room(tmp_path / "room"), frames, **CAMERA)
    errors = [finding for finding in listed(folder).findings if finding.severity is Severity.ERROR]
    assert "none of the 12 images of room has a pose" in errors[0].detail


def test_the_parts_of_a_data_set_are_one_sequence(tmp_path):
    folder, frames = tmp_path / "room", entries()
    parts = {"train": range(6), "val": range(6, 8), "test": range(8, FRAMES)}
    for part, numbers in parts.items():
        for i in numbers:
            frames[i]["file_path"] = f"./{part}/r_{i}"
            image(folder / f"{part}/r_{i}.png", i)
            image(folder / f"{part}/r_{i}_depth_0001.png", i)
        write(folder, [frames[i] for i in numbers], f"transforms_{part}.json", camera_angle_x=ANGLE)
    found = listed(folder)
    by_name = {record.image.stem: record.camera_to_world for record in found.records()}
    assert len(by_name) == len(found.images) == FRAMES
    for i, right in enumerate(make_world().camera_to_world):
        np.testing.assert_allclose(np.array(by_name[f"r_{i}"]), right, atol=1e-12)
    np.testing.assert_allclose(np.array(found.intrinsics)[0], [55, 0, 31.5])
    assert "6 in transforms_train.json, 2 in transforms_val.json, 4 in" in details(found, Problem.UNSORTED)


@pytest.mark.parametrize(
    ("given", "words", "matrix"),
    [
        ({"camera_model": "OPENCV_FISHEYE", "k4": 0.02}, "is a fisheye .OPENCV_FISHEYE, k4=0.02.", True),
        ({"is_fisheye": True}, "is a fisheye", True),
        ({"camera_model": "OPENCV", "k1": 0.1, "p2": 0.2}, "is distorted .OPENCV, k1=0.1, p2=0.2.", True),
        ({"k6": 0.1}, "is distorted .k6=0.1.", True),
        ({"camera_model": "equirectangular"}, "no perspective camera", False),
        ({"camera_model": "BENT_GLASS"}, "is not known .BENT_GLASS.", False),
        ({"camera_model": "OPENCV", "k1": 0.0}, "^$", True),
        ({"camera_model": "PINHOLE"}, "^$", True),
    ],
)
def test_what_is_said_of_the_lens(tmp_path, given, words, matrix):
    clip = opened(write(room(tmp_path / "room"), entries(), **CAMERA, **given))
    assert re.search(words, details(clip, Problem.CAMERA_MODEL))
    assert (clip.intrinsics is not None) is matrix


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"transform_matrix": [[1, 2], [3, 4]]}, r"transforms.json, frame 3: transform_matrix must be a 4x4"),
        ({"transform_matrix": [[1, 2], [3]]}, r"frame 3: transform_matrix must be a 4x4"),
        ({"transform_matrix": "none"}, r"frame 3: transform_matrix must be a 4x4"),
        ({"file_path": None}, r"frame 3: file_path is None"),
        ({"file_path": 7}, r"frame 3: file_path is 7"),
        ({"depth_file_path": 7}, r"frame 3: depth_file_path is 7"),
        ({"fl_x": "wide"}, r"frame 3 has fl_x='wide', which is no number"),
        ({"fl_x": -55}, r"frame 3 has fl_x=-55; it must be positive"),
        ({"camera_angle_x": 7.0}, r"frame 3 has camera_angle_x=7; it must lie between 0 and pi"),
        ({"fl_x": 55, "w": True}, r"frame 3 has w='True'"),
    ],
)
def test_a_damaged_frame_is_named(tmp_path, change, words):
    frames = entries()
    frames[3].update(change)
    folder = write(room(tmp_path / "room"), frames, **CAMERA)
    with pytest.raises(ValueError, match=words) as error:
        open_clip(folder, policy=POLICY)
    assert "\n" not in str(error.value)
    assert open_source(folder, policy=POLICY).length == FRAMES


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"frames": 3}',
        '{"frames": [3]}',
        '{"frames": []}',
        '{"frames": {}}',
        "{}",
    ],
)
def test_a_damaged_file_is_named(tmp_path, text):
    folder = room(tmp_path / "room")
    (folder / "transforms.json").write_text(text)
    with pytest.raises(ValueError, match="transforms.json") as error:
        open_clip(folder, policy=POLICY)
    assert "\n" not in str(error.value)


def test_a_camera_that_cannot_be_read_leaves_the_poses(tmp_path):
    folder = write(room(tmp_path / "room"), entries(), **{**CAMERA, "fl_x": math.nan})
    clip = open_clip(folder, policy=POLICY, skip_broken=True)
    assert clip.intrinsics is None
    np.testing.assert_allclose(cameras(clip), make_world().camera_to_world, atol=1e-12)


@pytest.mark.parametrize("zeros", [{"fl_x": 0, "fl_y": 0}, {"fl_x": 0.0, "fl_y": None}, {"camera_angle_x": 0}])
def test_a_focal_length_of_zero_is_named_and_leaves_the_poses(tmp_path, zeros):
    sides = {key: CAMERA[key] for key in ("w", "h")}
    folder = write(room(tmp_path / "room"), entries(), **sides, **zeros)
    with pytest.raises(ValueError, match=f"{next(iter(zeros))}=0; it must be positive"):
        open_clip(folder, policy=POLICY)
    clip = open_clip(folder, policy=POLICY, skip_broken=True)
    assert clip.intrinsics is None
    np.testing.assert_allclose(cameras(clip), make_world().camera_to_world, atol=1e-12)


def test_a_focal_length_of_zero_beside_an_angle_is_not_read(tmp_path):
    angle = 2 * math.atan(CAMERA["w"] / 2 / CAMERA["fl_x"])
    given = {**CAMERA, "fl_x": 0, "fl_y": 0, "camera_angle_x": angle}
    clip = open_clip(write(room(tmp_path / "room"), entries(), **given), policy=POLICY)
    assert clip.intrinsics is not None
    np.testing.assert_allclose(clip.intrinsics[0, 0], CAMERA["fl_x"])


def test_a_byte_order_mark_is_no_fault(tmp_path):
    folder = write(room(tmp_path / "room"), entries(), **CAMERA)
    path = folder / "transforms.json"
    path.write_text("\ufeff" + path.read_text(), encoding="utf-8")
    opened(folder)
