"""COLMAP models of any form, against pycolmap: which model, which images, which camera, and what is damaged."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from layouts_on_disk import FRAMES, HEIGHT, WIDTH, K, cameras, depth_map, image, intrinsics, make_world, png, quaternion

from ttt3r.cli import main
from ttt3r.data import Clip, CropToPatches, Problem, Severity, open_clip, open_source
from ttt3r.data.checks.inspection import inspect_sequence
from ttt3r.data.readers.posed_folder import POSED_FOLDER
from ttt3r.data.sequences.cameras import MODELS
from ttt3r.data.sequences.dataset import recording_of
from ttt3r.data.sequences.layout import Place

POLICY = CropToPatches(64)
CAMERA = [K[0, 0], K[1, 1], K[0, 2] + 0.5, K[1, 2] + 0.5]


def images(folder: Path, names: list[str], size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    for i, name in enumerate(names):
        image(folder / name, i, size)
    return folder.parent


def frame(i: int) -> str:
    return f"{i:04d}.png"


NAMES = [frame(i) for i in range(FRAMES)]


def model(folder: Path, names: dict[int, str], kind: str = "PINHOLE", numbers: list | None = None, text: bool = False):
    """A model written by pycolmap: names of the frames of the world that are in it."""
    pycolmap = pytest.importorskip("pycolmap")
    world, built = make_world(), pycolmap.Reconstruction()
    folder.mkdir(parents=True, exist_ok=True)
    camera = pycolmap.Camera(model=kind, width=WIDTH, height=HEIGHT, params=numbers or CAMERA, camera_id=3)
    built.add_camera_with_trivial_rig(camera)
    for number, (i, name) in enumerate(names.items(), start=1):
        inverse = np.linalg.inv(world.camera_to_world[i])
        pose = pycolmap.Rigid3d(pycolmap.Rotation3d(inverse[:3, :3]), inverse[:3, 3])
        seen = pycolmap.Image(name=name, camera_id=3, image_id=number)
        seen.points2D = [pycolmap.Point2D(np.array([1.5, 2.5]))] * (number % 4)
        built.add_image_with_trivial_frame(seen, pose)
    (built.write_text if text else built.write_binary)(str(folder))
    return camera


def opened(folder: Path) -> Clip:
    return open_clip(folder, policy=POLICY)


def details(clip: Clip, kind: Problem) -> str:
    return "\n".join(finding.detail for finding in clip.findings if finding.what is kind)


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize(
    "place", ["sparse/0", "sparse", "colmap/sparse/0", "colmap", "dense/sparse", "dense/0/sparse", "."]
)
def test_a_model_in_any_of_its_places_and_forms(tmp_path, place, text):
    folder = images(tmp_path / "room/images", NAMES)
    model(folder / place, dict(enumerate(NAMES)), text=text)
    clip = opened(folder)
    np.testing.assert_allclose(cameras(clip), make_world().camera_to_world, atol=1e-12)
    np.testing.assert_allclose(intrinsics(clip), K)
    assert clip.findings == ()


def test_undistorted_images_are_those_beside_their_model(tmp_path):
    folder = images(tmp_path / "room/images", NAMES, (80, 60))
    images(folder / "dense/images", NAMES)
    model(folder / "dense/sparse", dict(enumerate(NAMES)))
    found = recording_of(POSED_FOLDER, Place("room", "room", folder))
    assert {path.parent for path in found.images.paths} == {folder / "dense/images"}
    np.testing.assert_allclose(np.array(found.intrinsics), K)


def test_the_largest_model_is_read_and_what_has_no_pose_is_named(tmp_path, capsys):
    folder = images(tmp_path / "room/images", NAMES)
    model(folder / "sparse/0", {i: frame(i) for i in range(3)})
    model(folder / "sparse/1", {i: frame(i) for i in range(3, FRAMES)})
    clip = opened(folder)
    np.testing.assert_allclose(cameras(clip), make_world().camera_to_world[3:], atol=1e-12)
    assert "holds 2 models (images with a pose in 0: 3, 1: 9)" in details(clip, Problem.MISSING_POSES)
    assert "3 of 12 images of room have no pose" in details(clip, Problem.MISSING_POSES)
    assert "0000.png, 0001.png" in details(clip, Problem.MISSING_POSES)
    main(["data", "check", str(folder)])
    assert "3 of 12 images of room have no pose" in " ".join(capsys.readouterr().out.split())


def test_images_that_the_model_lacks_are_counted(tmp_path):
    folder = images(tmp_path / "room/images", NAMES)
    model(folder / "sparse/0", {i: frame(i) for i in range(FRAMES) if i % 3})
    found = recording_of(POSED_FOLDER, Place("room", "room", folder))
    assert [record.tracked for record in found.records()] == [bool(i % 3) for i in range(FRAMES)]
    assert "4 of 12 images" in details(opened(folder), Problem.MISSING_POSES)
    assert opened(folder).source.length == 8
    assert open_source(folder, policy=POLICY).length == FRAMES


def test_a_model_without_lines_of_points(tmp_path):
    world = make_world()
    folder = images(tmp_path / "room/images", [f"my room {i}.png" for i in range(FRAMES)])
    lines = []
    for i, pose in enumerate(world.camera_to_world):
        *shift, x, y, z, w = quaternion(np.linalg.inv(pose)).split()
        lines.append(f"{i + 1} {w} {x} {y} {z} {' '.join(shift)} 1 my room {i}.png")
        lines += ["1.5 2.5 -1 3 4 7 5.5 6 -1 7 8 9", "  # a remark"] if i == 5 else []
    (folder / "sparse/0").mkdir(parents=True)
    (folder / "sparse/0/images.txt").write_bytes(("\ufeff" + "\r\n".join(lines)).encode())
    (folder / "sparse/0/cameras.txt").write_text(f"1 PINHOLE {WIDTH} {HEIGHT} {' '.join(map(str, CAMERA))}\n")
    np.testing.assert_allclose(cameras(opened(folder)), world.camera_to_world, atol=1e-8)


def test_an_image_with_a_quaternion_of_zeros_or_not_a_number_is_lost(tmp_path):
    folder = images(tmp_path / "room/images", NAMES)
    model(folder / "sparse/0", dict(enumerate(NAMES)), text=True)
    path = folder / "sparse/0/images.txt"
    lines = path.read_text().splitlines()
    for place, line in enumerate(lines):
        words = line.split()
        if words[-1:] in ([frame(2)], [frame(5)]):
            lines[place] = " ".join([words[0], *(["0"] * 4 if words[-1] == frame(2) else ["nan"] * 4), *words[5:]])
    path.write_text("\n".join(lines))
    clip = opened(folder)
    assert clip.source.length == FRAMES - 2
    assert "2 of 12 poses" in details(clip, Problem.LOST_POSES)


NOT_PINHOLE = {"EQUIRECTANGULAR"}


def test_the_table_of_camera_models_is_that_of_pycolmap():
    pycolmap = pytest.importorskip("pycolmap")
    known = {name: int(value) for name, value in pycolmap.CameraModelId.__members__.items() if name != "INVALID"}
    for name, number in known.items():
        camera = pycolmap.Camera(model=name, width=WIDTH, height=HEIGHT)
        told = [word.strip() for word in camera.params_info.split(",")]
        focals = ["f"] if MODELS[name].focals == 1 else ["fx", "fy"]
        ours = [*([*focals, "cx", "cy"] if MODELS[name].focals else []), *MODELS[name].terms]
        assert (MODELS[name].number, ours) == (number, told)


@pytest.mark.parametrize("kind", sorted(set(MODELS) - NOT_PINHOLE))
@pytest.mark.parametrize("text", [False, True])
def test_the_matrix_of_every_camera_model(tmp_path, kind, text):
    pycolmap = pytest.importorskip("pycolmap")
    if kind not in pycolmap.CameraModelId.__members__:
        pytest.skip("this pycolmap does not know it")
    folder = images(tmp_path / "room/images", NAMES)
    numbers = [*CAMERA[: MODELS[kind].focals], *CAMERA[2:], *[0.01] * len(MODELS[kind].terms)]
    camera = model(folder / "sparse/0", dict(enumerate(NAMES)), kind, numbers, text)
    clip = opened(folder)
    matrix = camera.calibration_matrix()
    matrix[:2, 2] -= 0.5
    np.testing.assert_allclose(intrinsics(clip), matrix)
    assert kind in ("PINHOLE", "SIMPLE_PINHOLE") or kind in details(clip, Problem.CAMERA_MODEL)
    assert clip.source.length == FRAMES


def test_terms_of_zero_are_no_distortion(tmp_path):
    folder = images(tmp_path / "room/images", NAMES)
    model(folder / "sparse/0", dict(enumerate(NAMES)), "OPENCV", [*CAMERA, 0.0, 0, 0, 0])
    assert opened(folder).findings == ()


@pytest.mark.parametrize("text", [False, True])
def test_a_camera_model_that_is_not_known_leaves_the_poses(tmp_path, text):
    folder = images(tmp_path / "room/images", NAMES)
    model(folder / "sparse/0", dict(enumerate(NAMES)), text=text)
    if text:
        (folder / "sparse/0/cameras.txt").write_text(f"3 BENT_GLASS {WIDTH} {HEIGHT} 1 2 3 4 5 6 7\n")
    else:
        path = folder / "sparse/0/cameras.bin"
        content = bytearray(path.read_bytes())
        content[12:16] = (999).to_bytes(4, "little")
        path.write_bytes(content)
    clip = opened(folder)
    assert clip.intrinsics is None
    np.testing.assert_allclose(cameras(clip), make_world().camera_to_world, atol=1e-12)
    assert ("BENT_GLASS" if text else "999") in details(clip, Problem.CAMERA_MODEL)


def test_smaller_images_get_a_scaled_matrix(tmp_path):
    pycolmap = pytest.importorskip("pycolmap")
    folder = images(tmp_path / "room/images_2", [frame(i).replace("png", "jpg") for i in range(FRAMES)], (32, 24))
    camera = model(folder / "sparse/0", dict(enumerate(NAMES)))
    clip = opened(folder)
    camera.rescale(32, 24)
    right = camera.calibration_matrix()
    right[:2, 2] -= 0.5
    np.testing.assert_allclose(intrinsics(clip), right)
    assert "64x48, and those on disk are 32x24" in details(clip, Problem.CAMERA_MODEL)
    assert pycolmap is not None


def test_turned_or_cut_images_have_no_matrix(tmp_path):
    for size, word in (((HEIGHT, WIDTH), "turned"), ((WIDTH, 32), "cut or stretched")):
        folder = images(tmp_path / f"{word[:3]}/images", NAMES, size)
        model(folder / "sparse/0", dict(enumerate(NAMES)))
        clip = opened(folder)
        assert clip.intrinsics is None
        assert word in details(clip, Problem.CAMERA_MODEL)


def test_folders_of_cameras_are_read_one_after_the_other_with_their_depth(tmp_path):
    names = [f"cam{i // 4}/{i % 4}.png" for i in range(FRAMES)]
    folder = images(tmp_path / "rig/images", names)
    for i, name in enumerate(names):
        png(folder / "depth" / name, make_world().depth[i], 1000)
    model(folder / "sparse/0", {i: name.replace("/", "\\") for i, name in enumerate(names) if i < 8})
    clip = opened(folder)
    np.testing.assert_allclose(cameras(clip), make_world().camera_to_world[:8], atol=1e-12)
    np.testing.assert_allclose(depth_map(clip, 5), make_world().depth[5], atol=1e-3)
    assert "4 of 12 images" in details(clip, Problem.MISSING_POSES)
    assert "3 folders (cam0, cam1, cam2)" in details(clip, Problem.UNSORTED)


def test_cameras_that_differ_have_no_common_matrix(tmp_path):
    folder = images(tmp_path / "room/images", NAMES)
    model(folder / "sparse/0", dict(enumerate(NAMES)), text=True)
    path = folder / "sparse/0/images.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line.replace(" 3 0003.png", " 4 0003.png") for line in lines))
    for factor, known in ((1.004, True), (1.2, False)):
        rows = [f"{3 + i} SIMPLE_PINHOLE {WIDTH} {HEIGHT} {50 * factor**i} 32 24" for i in range(2)]
        (folder / "sparse/0/cameras.txt").write_text("\n".join(rows))
        clip = opened(folder)
        assert (clip.intrinsics is not None) is known
        assert "have 2 cameras, which differ by" in details(clip, Problem.CAMERA_MODEL)


@pytest.mark.parametrize(
    ("file", "row", "words"),
    [
        ("images.txt", "1 1 0 0 zero 0 0 0 1 0000.png", "images.txt, line 2, must be IMAGE_ID QW"),
        ("images.txt", "1 1 0 0", "images.txt, line 2, must be IMAGE_ID QW"),
        (
            "cameras.txt",
            "1 PINHOLE 64 48 50",
            "cameras.txt, line 2, must be CAMERA_ID .*a PINHOLE has 4 parameters, got 1",
        ),
        ("cameras.txt", "1 PINHOLE 64 48 -50 50 32 24", "cameras.txt, line 2, .*must be positive"),
        ("cameras.txt", "1 PINHOLE 64 48 nan 50 32 24", "cameras.txt, line 2, .*not finite"),
    ],
)
def test_a_damaged_text_model_names_file_and_line(tmp_path, file, row, words):
    folder = images(tmp_path / "room/images", NAMES)
    model(folder / "sparse/0", dict(enumerate(NAMES)), text=True)
    (folder / "sparse/0" / file).write_text(f"# damaged\n{row}\n")
    with pytest.raises(ValueError, match=words) as error:
        opened(folder)
    assert "\n" not in str(error.value)


def test_a_damaged_binary_model_is_an_error_in_one_line(tmp_path):
    folder = images(tmp_path / "room/images", NAMES)
    whole, random_ = tmp_path / "whole", random.Random(0)
    model(whole, dict(enumerate(NAMES)))
    for attempt in range(300):
        shutil.copytree(whole, folder / "sparse/0", dirs_exist_ok=True)
        path = folder / "sparse/0" / random_.choice(["images.bin", "cameras.bin"])
        content = bytearray(path.read_bytes())
        if attempt % 3:
            for _ in range(4):
                content[random_.randrange(len(content))] = random_.randrange(256)
        else:
            del content[random_.randrange(len(content)) :]
        path.write_bytes(content)
        findings = inspect_sequence(POSED_FOLDER, Place("room", "room", folder)).findings
        assert all("\n" not in str(finding) for finding in findings)
        if attempt % 3 == 0:
            with pytest.raises(ValueError, match=path.name):
                opened(folder)


def test_the_count_of_a_binary_model_is_not_believed(tmp_path):
    folder = images(tmp_path / "room/images", NAMES)
    model(folder / "sparse/0", dict(enumerate(NAMES)))
    path = folder / "sparse/0/images.bin"
    path.write_bytes((2**63).to_bytes(8, "little") + path.read_bytes()[8:])
    with pytest.raises(ValueError, match="images.bin is cut short or damaged: no room for 9223372036854775808 images"):
        opened(folder)


def test_a_damaged_second_model_is_an_error_beside_the_first(tmp_path):
    folder = images(tmp_path / "room/images", NAMES)
    model(folder / "sparse/0", dict(enumerate(NAMES)))
    (folder / "sparse/1").mkdir()
    (folder / "sparse/1/images.bin").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="images.bin is cut short"):
        opened(folder)
    clip = open_clip(folder, policy=POLICY, skip_broken=True)
    assert clip.source.length == FRAMES
    assert any(finding.severity is Severity.ERROR for finding in clip.findings)
