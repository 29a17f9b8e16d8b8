import json
import math
import struct
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from ttt3r.export.point_files import write_glb, write_ply
from ttt3r.export.points import GrowingCloud, PointCloud, PointSelection

HEIGHT, WIDTH = 8, 12


def _frames(count):
    generator = torch.Generator().manual_seed(1)
    return [
        (
            index,
            torch.randn(HEIGHT, WIDTH, 3, generator=generator),
            1 + 2 * torch.rand(HEIGHT, WIDTH, generator=generator),
            2 * torch.rand(3, HEIGHT, WIDTH, generator=generator) - 1,
        )
        for index in range(count)
    ]


def _cloud(selection, frames):
    cloud = PointCloud.empty(selection)
    for frame in frames:
        cloud = cloud.add(*frame)
    return cloud


def assert_equal(a, b):
    for field in fields(PointCloud)[1:]:
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))


def test_without_limits_every_point_is_there_with_its_colour():
    frames = _frames(3)
    cloud = _cloud(PointSelection(min_confidence=0.0), frames)
    assert len(cloud) == 3 * HEIGHT * WIDTH
    np.testing.assert_array_equal(cloud.xyz, torch.cat([f[1].reshape(-1, 3) for f in frames]).numpy())
    colors = torch.cat([f[3].permute(1, 2, 0).reshape(-1, 3) for f in frames]).numpy()
    np.testing.assert_allclose(cloud.rgb, (colors + 1) * 127.5, atol=0.51)


def test_confidence_and_finiteness_select():
    index, points, confidence, image = _frames(1)[0]
    points[0, 0, 1] = float("nan")
    points[0, 1, 2] = float("inf")
    confidence[:2] = 3.0
    confidence[2, 2] = float("nan")
    cloud = PointCloud.empty(PointSelection(min_confidence=2.0)).add(index, points, confidence, image)
    expected = points.isfinite().all(dim=-1) & (confidence >= 2)
    np.testing.assert_array_equal(cloud.pixel, np.flatnonzero(expected))


def test_quantile_drops_its_share_of_every_frame():
    cloud = _cloud(PointSelection(min_confidence=0.0, min_quantile=0.75), _frames(4))
    assert np.bincount(cloud.frame).tolist() == [HEIGHT * WIDTH // 4] * 4


@pytest.mark.parametrize("voxel_size", [None, 0.4])
def test_budget_is_kept_whatever_the_order_and_wherever_it_stopped(tmp_path, voxel_size):
    selection, frames = PointSelection(budget=100, voxel_size=voxel_size), _frames(10)
    whole = _cloud(selection, frames)
    assert len(whole) == 100
    _cloud(selection, frames[:6]).save(tmp_path / "half.npz")
    resumed = PointCloud.load(tmp_path / "half.npz")
    assert resumed.selection == selection
    for frame in frames[6:]:
        resumed = resumed.add(*frame)
    assert_equal(whole, resumed)
    backwards = _cloud(selection, frames[::-1])
    assert_equal(whole, backwards.take(np.lexsort([backwards.pixel, backwards.frame])))
    unlimited = _cloud(replace(selection, budget=10**6), frames)
    assert_equal(whole, unlimited.sample(100))


def test_sampling_is_fair_over_frames_and_depends_on_the_seed():
    frames = _frames(10)
    cloud = _cloud(PointSelection(min_confidence=0.0, budget=400), frames)
    share = np.bincount(cloud.frame, minlength=10)
    assert share.min() > 20
    assert share.max() < 60
    other = _cloud(PointSelection(min_confidence=0.0, budget=400, seed=1), frames)
    assert set(zip(cloud.frame, cloud.pixel, strict=True)) != set(zip(other.frame, other.pixel, strict=True))


def test_voxels_hold_one_point_each():
    cloud = _cloud(PointSelection(min_confidence=0.0, voxel_size=0.5), _frames(3))
    cells = np.floor(cloud.xyz.astype(float) / 0.5)
    everything = _cloud(PointSelection(min_confidence=0.0), _frames(3))
    occupied = np.unique(np.floor(everything.xyz.astype(float) / 0.5), axis=0)
    assert len(np.unique(cells, axis=0)) == len(cells) == len(occupied)


def test_what_stays_out_by_default_is_a_share_of_each_frame(tmp_path):
    """As `ttt3r run` has it: a least confidence suits one network only."""
    frames = _frames(4)
    for _, _, confidence, _ in frames:
        confidence.mul_(0.01)  # as of a network that is never sure
    cloud = _cloud(PointSelection(), frames)
    kept = np.bincount(cloud.frame, minlength=4)
    for i, (_, _, confidence, _) in enumerate(frames):
        assert kept[i] == int((confidence >= confidence.flatten().double().quantile(0.3)).sum())
    assert PointSelection() == PointSelection(min_confidence=0.0, min_quantile=0.3)
    assert PointSelection(min_confidence=2.0).min_quantile == 0
    assert PointSelection(min_quantile=0.0).min_confidence == 0
    assert replace(PointSelection(), budget=5) == PointSelection(budget=5)


@pytest.mark.parametrize(
    "setting",
    [
        {"min_quantile": 1.0},
        {"min_quantile": math.nan},
        {"min_confidence": math.nan},
        {"budget": 0},
        {"voxel_size": 0.0},
    ],
)
def test_bad_settings_are_named(setting):
    with pytest.raises(ValueError, match=next(iter(setting)).split("_")[-1]):
        PointSelection(**setting)


def test_ply_is_read_by_trimesh(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    cloud = _cloud(PointSelection(), _frames(2))
    write_ply(tmp_path / "cloud.ply", cloud)
    read = trimesh.load(tmp_path / "cloud.ply")
    np.testing.assert_array_equal(read.vertices, cloud.xyz)
    np.testing.assert_array_equal(read.colors[:, :3], cloud.rgb)
    raw = read.metadata["_ply_raw"]["vertex"]["data"]
    np.testing.assert_array_equal(np.asarray(raw["confidence"]).ravel(), cloud.confidence)


def _glb(path):
    """Header and accessors of a GLB, read as glTF 2.0 (4.4) says."""
    content = path.read_bytes()
    magic, version, length, size, kind = struct.unpack("<4sII I4s", content[:20])
    assert (magic, version, length, kind) == (b"glTF", 2, len(content), b"JSON")
    head = json.loads(content[20 : 20 + size])
    more, kind = struct.unpack("<I4s", content[20 + size : 28 + size])
    assert (kind, more, len(content)) == (b"BIN\0", head["buffers"][0]["byteLength"], 28 + size + more)
    assert size % 4 == more % 4 == 0
    arrays = []
    for accessor in head["accessors"]:
        view = head["bufferViews"][accessor["bufferView"]]
        assert (accessor["componentType"], accessor["type"], view["byteOffset"] % 4) == (5126, "VEC3", 0)
        start = 28 + size + view["byteOffset"]
        arrays.append(np.frombuffer(content[start : start + view["byteLength"]], "<f4").reshape(accessor["count"], 3))
    return head, arrays


def test_glb_has_y_up_and_the_light_of_the_colours(tmp_path):
    cloud = _cloud(PointSelection(), _frames(2))
    write_glb(tmp_path / "cloud.glb", cloud)
    head, (place, light) = _glb(tmp_path / "cloud.glb")
    (primitive,) = head["meshes"][0]["primitives"]
    assert primitive == {"mode": 0, "attributes": {"POSITION": 0, "COLOR_0": 1}}
    np.testing.assert_array_equal(place, cloud.xyz * np.array([1, -1, -1], np.float32))
    corners = head["accessors"][0]
    np.testing.assert_array_equal([corners["min"], corners["max"]], [place.min(axis=0), place.max(axis=0)])
    # The way back, from light to sRGB.
    code = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
    np.testing.assert_array_equal(np.round(code * 255), cloud.rgb)


@pytest.mark.parametrize(
    ("code", "light"), [(0, 0.0), (10, 10 / 255 / 12.92), (128, 0.21586050), (188, 0.50288646), (255, 1.0)]
)
def test_glb_grey_of_a_picture_is_less_than_that_share_of_light(code, light, tmp_path):
    grey = torch.full((3, 1, 1), code / 127.5 - 1)
    write_glb(tmp_path / "cloud.glb", PointCloud.empty(PointSelection(0.0)).add(0, torch.ones(1, 1, 3), None, grey))
    np.testing.assert_allclose(_glb(tmp_path / "cloud.glb")[1][1], [[light] * 3], rtol=1e-6)


def test_glb_is_read_by_trimesh(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    cloud = _cloud(PointSelection(), _frames(2))
    write_glb(tmp_path / "cloud.glb", cloud)
    (read,) = trimesh.load(tmp_path / "cloud.glb").geometry.values()
    np.testing.assert_allclose(read.vertices, cloud.xyz * [1, -1, -1])
    light = ((cloud.rgb / 255 + 0.055) / 1.055) ** 2.4  # trimesh hands the light on as it is, in eight bits
    bright = cloud.rgb > 10
    assert np.abs(read.colors[:, :3] - 255 * light)[bright].max() <= 0.51


def test_an_empty_cloud(tmp_path):
    write_ply(tmp_path / "cloud.ply", PointCloud.empty())
    assert b"element vertex 0\n" in (tmp_path / "cloud.ply").read_bytes()
    with pytest.raises(ValueError, match="at least one point"):
        write_glb(tmp_path / "cloud.glb", PointCloud.empty())


@pytest.mark.parametrize("voxel_size", [None, 0.3])
def test_frames_that_wait_give_the_cloud_of_frames_added_at_once(voxel_size):
    selection = PointSelection(min_confidence=0.0, budget=120, voxel_size=voxel_size)
    at_once, growing = PointCloud.empty(selection), GrowingCloud(PointCloud.empty(selection))
    for frame in range(9):
        generator = torch.Generator().manual_seed(frame)
        points = torch.rand(6, 8, 3, generator=generator)
        image = torch.rand(3, 6, 8, generator=generator)
        at_once = at_once.add(frame, points, None, image)
        growing.add(frame, points, None, image)
        if frame == 4:  # looking in between changes nothing
            np.testing.assert_array_equal(growing.cloud().xyz, at_once.xyz)
    for name in ("xyz", "rgb", "confidence", "frame", "pixel"):
        np.testing.assert_array_equal(getattr(growing.cloud(), name), getattr(at_once, name))
