"""Names that are decimals, and text as editors and other machines write it."""

import random
from pathlib import Path

import numpy as np
import pytest
from layouts_on_disk import LAYOUTS, cameras, make_world
from PIL import Image

from ttt3r.data import CropToPatches, open_clip, open_source, write_demo_sequence
from ttt3r.data.frames.files import natural_order

POLICY = CropToPatches(64)

ORDERED = (
    [str(round(1700000000 + 0.1 * k + 0.003 * (k % 3), 3)) for k in range(10)],
    ["0.1", "0.25", "0.5", "1", "2.75", "10.5"],
    ["frame_0.5", "frame_1", "frame_1.25", "frame_1.5", "frame_10"],
    ["-2.5", "-1", "0.0", "0.5"],
    ["1e-3", "0.01", "1", "1e2"],
    ["v1.9", "v1.10", "v1.11"],
    ["v1.2", "v1.11"],
    ["IMG.1.2", "IMG.1.9", "IMG.1.11"],
    ["room1.8", "room1.9", "room1.10", "room1.11"],
    ["1.2.9", "1.2.10"],
    ["img.1", "img.2", "img.10"],
    ["1305031102.175304", "1305031102.211214", "1305031103"],
    ["a1", "a2", "a10", "b1.5"],
    ["cam0_1.5", "cam0_1.75", "cam1_0.5"],
)


@pytest.mark.parametrize("names", ORDERED)
def test_names_sort_by_value(names):
    paths = [Path(f"{name}.png") for name in names]
    mixed = random.Random(0).sample(paths, len(paths))
    assert natural_order(mixed) == paths


def test_times_that_name_images_are_their_times(tmp_path):
    names = ["1700000000.9", "1700000001", "1700000000.103"]
    for name in names:
        Image.new("RGB", (64, 48)).save(tmp_path / f"{name}.png")
    assert [frame.timestamp for frame in open_source(tmp_path, policy=POLICY)] == [0, 1, 2]  # one is a whole number
    (tmp_path / "1700000001.png").rename(tmp_path / "1700000001.25.png")
    times = [frame.timestamp for frame in open_source(tmp_path, policy=POLICY)]
    assert times == [1700000000.103, 1700000000.9, 1700000001.25]


def test_the_demo_keeps_its_times(tmp_path):
    folder = write_demo_sequence(tmp_path / "demo", frames=3, size=(64, 48))
    times = [frame.timestamp for frame in open_source(folder / "rgb", policy=POLICY)]
    np.testing.assert_allclose(times, np.loadtxt(folder / "groundtruth.txt")[:, 0])


def bom(text):
    return b"\xef\xbb\xbf" + text.encode()


FORMS = {
    "byte-order mark": bom,
    "UTF-16": lambda text: text.encode("utf-16"),
    "CRLF": lambda text: bom(text.replace("\n", "\r\n")),
    "tabs, blanks and indented comments": lambda text: (
        "  # first\n\n" + text.replace(" ", "\t").replace("\n", " \n")
    ).encode(),
    "commas": lambda text: text.replace(" ", ",").encode(),
    "a comment in Latin-1": lambda text: b"# K\xf6ln\n" + text.encode(),
}
FILES = {
    "tum": ("rgb.txt", "depth.txt", "groundtruth.txt", "camera-intrinsics.txt"),
    "trajectory.txt": ("trajectory.txt",),
    "poses.txt": ("poses.txt",),
    "scannet": ("pose/3.txt", "intrinsic/intrinsic_color.txt"),
    "nrgbd": ("poses.txt", "focal.txt"),
    "kitti-odometry": ("../../poses/06.txt", "times.txt"),
    "replica": ("traj.txt",),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", FILES)
def test_text_of_any_origin_is_read(tmp_path, kind, form):
    LAYOUTS[kind].write(tmp_path)
    folder = tmp_path / LAYOUTS[kind].folder
    for name in FILES[kind]:
        path = folder / name
        path.write_bytes(FORMS[form](path.read_text()))
    clip = open_clip(folder, policy=POLICY)
    np.testing.assert_allclose(cameras(clip), make_world().camera_to_world, atol=1e-7)
    assert len(clip.findings) == 0 or kind in (
        "trajectory.txt",
        "poses.txt",
        "scannet",
        "nrgbd",
        "kitti-odometry",
        "replica",
    )


@pytest.mark.parametrize(("kind", "name"), [("transforms.json", "transforms.json"), ("colmap", "sparse/0/images.txt")])
def test_models_with_a_byte_order_mark_are_read(tmp_path, kind, name):
    LAYOUTS[kind].write(tmp_path)
    path = tmp_path / LAYOUTS[kind].folder / name
    path.write_bytes(bom(path.read_text().replace("\n", "\r\n")))
    clip = open_clip(tmp_path / LAYOUTS[kind].folder, policy=POLICY)
    np.testing.assert_allclose(cameras(clip), make_world().camera_to_world, atol=1e-7)
