"""Images with an EXIF orientation beside poses: what is read are the pixels that the poses, the camera and the depth are of."""

from pathlib import Path

import numpy as np
import pytest
from layouts_on_disk import FRAMES, HEIGHT, WIDTH, K, cameras, make_world, png, quaternion
from PIL import Image, ImageOps

from ttt3r.data import Clip, CropToPatches, Problem, open_clip, open_image, open_source, to_image
from ttt3r.data.checks.inspection import inspect_sequence
from ttt3r.data.frames.images import image_size
from ttt3r.data.readers.posed_folder import POSED_FOLDER
from ttt3r.data.sequences.layout import Place

POLICY = CropToPatches(64)
TAGS = (2, 3, 4, 5, 6, 7, 8)
PIXELS = np.random.default_rng(0).integers(0, 255, (FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8)


def photo(path: Path, pixels: np.ndarray, tag: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = Image.Exif()
    data[274] = tag
    Image.fromarray(pixels).save(path, exif=data, quality=95)


def room(folder: Path, suffix: str = ".png", given: tuple[int, int] = (WIDTH, HEIGHT), **tags: int) -> Path:
    """A COLMAP model of images whose stored pixels lie as the camera saw them; `tag` of all, or `first` of the first."""
    lines = []
    for i, pose in enumerate(make_world().camera_to_world):
        photo(folder / f"images/{i:04d}{suffix}", PIXELS[i], tags.get("first", tags["tag"]) if i == 0 else tags["tag"])
        png(folder / f"depth/{i:04d}.png", make_world().depth[i], 1000)
        *shift, x, y, z, w = quaternion(np.linalg.inv(pose)).split()
        lines += [f"{i + 1} {w} {x} {y} {z} {' '.join(shift)} 1 {i:04d}{suffix}", ""]
    (folder / "sparse/0").mkdir(parents=True)
    (folder / "sparse/0/images.txt").write_text("\n".join(lines))
    row = f"1 PINHOLE {given[0]} {given[1]} {K[0, 0]} {K[1, 1]} {K[0, 2] + 0.5} {K[1, 2] + 0.5}"
    (folder / "sparse/0/cameras.txt").write_text(row)
    return folder


def seen(clip: Clip, index: int) -> np.ndarray:
    return np.asarray(to_image(list(clip.source)[index].image))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
@pytest.mark.parametrize("tag", [1, *TAGS])
def test_pixels_come_as_stored_or_upright(tmp_path, suffix, tag):
    path = tmp_path / f"a{suffix}"
    photo(path, PIXELS[0], tag)
    photo(plain := tmp_path / f"b{suffix}", PIXELS[0], 1)
    stored = np.asarray(open_image(plain))
    np.testing.assert_array_equal(np.asarray(open_image(path, upright=False)), stored)
    assert image_size(path, upright=False) == (WIDTH, HEIGHT)
    turned = Image.fromarray(stored)
    turned.getexif()[274] = tag
    np.testing.assert_array_equal(np.asarray(open_image(path)), np.asarray(ImageOps.exif_transpose(turned)))
    assert image_size(path) == open_image(path).size


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_they_are_the_pixels_that_colmap_reads(tmp_path, suffix):
    pycolmap = pytest.importorskip("pycolmap")
    for tag in (1, 3, 6, 8):
        photo(tmp_path / f"a{suffix}", PIXELS[0], tag)
        theirs = pycolmap.Bitmap.read(str(tmp_path / f"a{suffix}"), True).to_array()
        ours = np.asarray(open_image(tmp_path / f"a{suffix}", upright=False))
        np.testing.assert_allclose(ours.astype(int), theirs.astype(int), atol=0 if suffix != ".jpg" else 3)


@pytest.mark.parametrize("tag", TAGS)
def test_poses_camera_and_depth_are_of_the_pixels_that_are_read(tmp_path, tag):
    folder = room(tmp_path / "room", tag=tag)
    clip = open_clip(folder, policy=POLICY)
    np.testing.assert_array_equal(seen(clip, 5), PIXELS[5])
    np.testing.assert_allclose(np.array(clip.intrinsics), K)
    np.testing.assert_allclose(cameras(clip), make_world().camera_to_world, atol=1e-8)
    np.testing.assert_allclose(np.array(clip.prepared_depth(5)), make_world().depth[5], atol=1e-3)
    (said,) = (found for found in clip.findings if found.what is Problem.CAMERA_MODEL)
    assert "12 of 12 images of room are to be turned by their EXIF data" in str(said)
    assert "read as stored" in str(said)
    found = inspect_sequence(POSED_FOLDER, Place("room", "room", folder), every_file=True)
    assert found.size == (WIDTH, HEIGHT)
    assert found.findings == clip.findings


def test_a_run_sees_the_same_pixels_and_says_so(tmp_path):
    folder = room(tmp_path / "room", tag=6, first=1)
    source = open_source(folder, policy=POLICY)
    for frame, pixels in zip(source, PIXELS, strict=True):
        np.testing.assert_array_equal(np.asarray(to_image(frame.image)), pixels)
    assert "11 of 12 images" in source.notes[0]
    alone = open_source(str(folder / "images/*.png"), policy=POLICY, skip_broken=True)
    assert next(iter(alone)).image.shape == (1, 3, 64, 48)
    assert alone.notes == ()


def test_images_without_a_tag_cost_no_word(tmp_path):
    folder = room(tmp_path / "room", tag=1)
    assert open_clip(folder, policy=POLICY).findings == ()
    assert open_source(folder, policy=POLICY).notes == ()


def test_a_camera_of_upright_images_means_the_upright_pixels(tmp_path):
    """As of programs that turned the images before they looked for poses, and left the tag in the files."""
    folder = room(tmp_path / "room", given=(HEIGHT, WIDTH), tag=6)
    for path in (folder / "depth").iterdir():
        path.unlink()
    clip = open_clip(folder, policy=POLICY)
    np.testing.assert_array_equal(seen(clip, 5), np.rot90(PIXELS[5], -1))
    np.testing.assert_allclose(np.array(clip.intrinsics), K)
    assert clip.findings == () or all(found.what is Problem.MISSING_DEPTH for found in clip.findings)
    frame = next(iter(open_source(folder, policy=POLICY)))
    np.testing.assert_array_equal(np.asarray(to_image(frame.image)), np.rot90(PIXELS[0], -1))
