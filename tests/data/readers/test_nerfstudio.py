"""nerfstudio's own folders: what `ns-process-data` writes, and what `ns-export cameras` writes after a training."""

import json

import numpy as np
import pytest
from layouts_on_disk import FRAMES, HEIGHT, LAYOUTS, OPENGL, WIDTH, K, cameras, image, intrinsics, make_world

from ttt3r.data import DATASETS, CropToPatches, Problem, Severity, open_clip, recognise

POLICY = CropToPatches(64)
SMALL = {"images_2": 2, "images_4": 4}


def processed(root, model="OPENCV", **more):
    """A folder as `ns-process-data images` leaves it: images in four sizes, a cloud, COLMAP's model, transforms.json."""
    folder, frames = root / "room", []
    for i, pose in enumerate(make_world().camera_to_world @ OPENGL):
        name = f"frame_{i + 1:05d}.png"
        image(folder / "images" / name, i)
        for place, factor in SMALL.items():
            image(folder / place / name, i, (WIDTH // factor, HEIGHT // factor))
        frames.append({"file_path": f"images/{name}", "transform_matrix": pose.tolist(), "colmap_im_id": i + 1})
    camera = {"w": WIDTH, "h": HEIGHT, "fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2] + 0.5, "cy": K[1, 2] + 0.5}
    whole = {**camera, "camera_model": model, "ply_file_path": "sparse_pc.ply", **more, "frames": frames}
    (folder / "transforms.json").write_text(json.dumps(whole))
    (folder / "sparse_pc.ply").write_bytes(b"ply\n")
    (folder / "colmap/sparse/0").mkdir(parents=True)
    (folder / "colmap/sparse/0/images.bin").write_bytes(b"")
    return folder


def test_a_processed_folder_is_read_at_full_size(tmp_path):
    folder = processed(tmp_path, k1=0.0, k2=0.0, p1=0.0, p2=0.0, applied_transform=np.eye(4)[:3].tolist())
    assert {name: [place.name for place in places] for name, places in recognise(tmp_path).items()} == {
        "posed": ["room"]
    }
    clip = open_clip(folder, policy=POLICY)
    np.testing.assert_allclose(cameras(clip), make_world().camera_to_world, atol=1e-12)
    np.testing.assert_allclose(intrinsics(clip), K)
    assert clip.findings == ()
    assert len(list(clip.source)) == FRAMES


def test_smaller_images_scale_the_matrix(tmp_path):
    folder = processed(tmp_path)
    for path in (folder / "images").iterdir():
        path.unlink()
    matrix = intrinsics(open_clip(folder, policy=POLICY))
    np.testing.assert_allclose(matrix[:2, :2], K[:2, :2] / 2)
    np.testing.assert_allclose(matrix[:2, 2], (K[:2, 2] + 0.5) / 2 - 0.5)


def test_the_transform_of_a_training_does_not_move_the_datas_own_poses(tmp_path):
    folder = processed(tmp_path)
    moved = {"transform": [[0, 1, 0, 5], [-1, 0, 0, 6], [0, 0, 1, 7]], "scale": 0.1}
    (folder / "dataparser_transforms.json").write_text(json.dumps(moved))
    np.testing.assert_allclose(cameras(open_clip(folder, policy=POLICY)), make_world().camera_to_world, atol=1e-12)


@pytest.mark.parametrize(
    ("model", "terms", "severity"),
    [
        ("OPENCV", {"k1": -0.1}, Severity.NOTE),
        ("SIMPLE_PINHOLE", {}, None),
        ("PINHOLE", {"k1": 0.0}, None),
        ("OPENCV_FISHEYE", {"k1": 0.1}, Severity.WARNING),
        ("EQUIRECTANGULAR", {}, Severity.WARNING),
    ],
)
def test_the_camera_models_of_nerfstudio(tmp_path, model, terms, severity):
    clip = open_clip(processed(tmp_path, model, **terms), policy=POLICY)
    said = [finding.severity for finding in clip.findings if finding.what is Problem.CAMERA_MODEL]
    assert (max(said) if said else None) == severity


def test_a_cloud_that_is_named_and_not_there_is_noted(tmp_path):
    folder = processed(tmp_path)
    (folder / "sparse_pc.ply").unlink()
    (note,) = open_clip(folder, policy=POLICY).findings
    assert (note.what, note.severity) == (Problem.MISSING_FILE, Severity.NOTE)
    assert "the cloud sparse_pc.ply is not there" in str(note)


def exported(tmp_path):
    LAYOUTS["nerfstudio"].write(tmp_path)
    return tmp_path / LAYOUTS["nerfstudio"].folder


def test_an_export_without_its_transform_says_that_its_frame_is_the_trainings(tmp_path):
    folder = exported(tmp_path)
    (folder / "dataparser_transforms.json").unlink()
    clip = open_clip(folder, policy=POLICY)
    (warning,) = [finding for finding in clip.findings if finding.what is Problem.IMPLAUSIBLE_POSES]
    assert "copy dataparser_transforms.json of the training" in str(warning)
    steps, true = (np.diff(x[:, :3, 3], axis=0) for x in (cameras(clip), make_world().camera_to_world))
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1) / np.linalg.norm(true, axis=1), 0.25)  # its scale


def test_the_transform_may_lie_above(tmp_path):
    folder = exported(tmp_path)
    (folder / "dataparser_transforms.json").rename(tmp_path / "dataparser_transforms.json")
    np.testing.assert_allclose(cameras(open_clip(folder, policy=POLICY)), make_world().camera_to_world, atol=1e-9)


def test_images_are_read_where_the_list_says(tmp_path):
    folder = exported(tmp_path)
    (folder / "images").rename(tmp_path / "kept")
    for name in ("transforms_train.json", "transforms_eval.json"):
        path = folder / name
        path.write_text(path.read_text().replace("/somewhere/else/images", str(tmp_path / "kept")))
    clip = open_clip(folder, policy=POLICY)
    assert len(list(clip.source)) == FRAMES
    assert any("lie outside of" in str(finding) for finding in clip.findings)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("transforms_train.json", "[{}]", r"camera 0, must have file_path and transform, 3x4 numbers"),
        ("transforms_train.json", '[{"file_path": "a.png", "transform": [[1, 2], [3]]}]', "camera 0, must have"),
        ("transforms_train.json", "[", "is no JSON file"),
        ("dataparser_transforms.json", '{"scale": 1}', "must hold transform, 3x4 numbers, and scale"),
        (
            "dataparser_transforms.json",
            '{"transform": [[1,0,0,0],[0,1,0,0],[0,0,1,0]], "scale": 0}',
            "a positive scale",
        ),
    ],
)
def test_a_damaged_export_says_what_was_expected(tmp_path, name, text, said):
    folder = exported(tmp_path)
    (folder / name).write_text(text)
    with pytest.raises(ValueError, match=said):
        open_clip(folder, policy=POLICY)


def test_splits_of_other_programs_stay_what_they_are(tmp_path):
    LAYOUTS["transforms.json"].write(tmp_path)
    (tmp_path / "box/transforms.json").rename(tmp_path / "box/transforms_train.json")
    assert list(recognise(tmp_path)) == ["posed"]
    assert len(DATASETS["posed"].open(tmp_path, "box", POLICY).timestamps) == FRAMES
