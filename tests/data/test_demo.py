"""The self-made sequence: closed-form depth, re-projection, true TUM layout."""

import time

import numpy as np
import pytest
from PIL import Image

from ttt3r.data import CropToPatches, open_clip, write_demo_sequence
from ttt3r.data.demo import cast, demo_intrinsics, demo_path

SIZE = (160, 120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_demo_sequence(tmp_path_factory.mktemp("room") / "demo", frames=6, size=SIZE)


@pytest.fixture(scope="module")
def clip(folder):
    return open_clip(folder, policy=CropToPatches(64))


def truth(clip, index):
    """Colours, depth (metres) and camera_to_world of a frame, from the files."""
    folder = clip.depth_files.paths[0].parent.parent
    color = np.asarray(Image.open(sorted((folder / "rgb").iterdir())[index])).astype(float)
    return color, clip.depth(index), clip.camera_to_world[index]


def test_it_is_a_sequence_in_tum_layout(folder, clip):
    assert len(list(clip.source)) == 6
    assert next(iter(clip.source)).image.shape == (1, 3, 48, 64)
    np.testing.assert_allclose(clip.intrinsics, demo_intrinsics(SIZE))
    np.testing.assert_allclose(np.diff(clip.timestamps), 0.1)
    steps = np.linalg.norm(np.diff(clip.camera_to_world[:, :3, 3], axis=0), axis=1)
    assert (steps > 0.002).all()
    assert (steps < 0.2).all()


def test_depth_of_the_wall_in_closed_form():
    """The far wall is the plane z = 3.2: along a ray o + t d that meets it, t = (3.2 - o_z) / d_z."""
    random = np.random.default_rng(0)
    origin = np.array([[0.1], [-0.2], [-0.5]])
    directions = np.stack([random.uniform(-1, 1, 4000), random.uniform(-1, 1, 4000), np.ones(4000)])
    distance, normal, surface = cast(origin, directions)
    wall = surface == 5
    assert wall.sum() > 500
    np.testing.assert_allclose(distance[wall], 3.7, atol=1e-12)
    np.testing.assert_array_equal(normal[:, wall], np.array([[0], [0], [-1]]).repeat(wall.sum(), axis=1))
    floor = surface == 3
    np.testing.assert_allclose((distance * directions[1])[floor], 1.3 + 0.2, atol=1e-12)
    assert set(np.unique(surface)) >= {0, 1, 2, 3, 5, 6, 10}
    np.testing.assert_allclose(np.linalg.norm(normal, axis=0), 1)
    assert ((normal * directions).sum(axis=0) < 0).all()  # every surface is seen from its front


def test_a_ball_in_closed_form():
    """Straight at the centre of a ball, the first hit is the distance minus the radius."""
    centre, radius = np.array([0.35, 0.55, 1.25]), 0.25
    origin = np.array([0.2, 0.3, -0.4])
    length = np.linalg.norm(centre - origin)
    distance, normal, surface = cast(origin[:, None], ((centre - origin) / length)[:, None])
    np.testing.assert_allclose(distance, length - radius)
    np.testing.assert_allclose(normal[:, 0], (origin - centre) / length)
    assert surface.tolist() == [10]


def test_written_depth_is_the_z_of_the_wall(clip):
    """Unprojected by depth, K and pose, every pixel lies inside the room, and many on its far wall."""
    for index in (0, 5):
        _, depth, pose = truth(clip, index)
        v, u = np.mgrid[: SIZE[1], : SIZE[0]]
        rays = np.linalg.inv(clip.intrinsics) @ np.stack([u.ravel(), v.ravel(), np.ones(u.size)])
        world = pose[:3, :3] @ (rays * depth.ravel()) + pose[:3, 3:]
        assert (world.min(axis=1) > [-2.4 - 1e-3, -1.3 - 1e-3, -1.8 - 1e-3]).all()
        assert (world.max(axis=1) < [2.4 + 1e-3, 1.3 + 1e-3, 3.2 + 1e-3]).all()
        assert (np.abs(world[2] - 3.2) < 3e-4).mean() > 0.2


def test_colours_of_one_frame_are_found_in_another_by_depth_and_pose(clip):
    color, depth, pose = truth(clip, 0)
    other, other_depth, other_pose = truth(clip, 4)
    v, u = (grid.ravel() for grid in np.mgrid[: SIZE[1], : SIZE[0]])
    rays = np.linalg.inv(clip.intrinsics) @ np.stack([u, v, np.ones(u.size)])
    moved = np.linalg.inv(other_pose) @ pose @ np.concatenate([rays * depth.ravel(), np.ones((1, u.size))])
    x, y, z = clip.intrinsics @ moved[:3]
    column, row = np.round(x / z).astype(int), np.round(y / z).astype(int)
    seen = (z > 0) & (column >= 0) & (column < SIZE[0]) & (row >= 0) & (row < SIZE[1])
    assert seen.mean() > 0.5
    visible = np.abs(other_depth[row[seen], column[seen]] / z[seen] - 1) < 0.01
    assert visible.mean() > 0.85
    difference = np.abs(color[v, u][seen][visible] - other[row[seen], column[seen]][visible])
    assert np.median(difference) < 3
    wrong = np.abs(color[v, u][seen][visible] - other[v, u][seen][visible])
    assert difference.mean() < 0.35 * wrong.mean()  # far better than not moving at all


def test_the_camera_never_leaves_the_free_space():
    for seed in range(5):
        path = demo_path(2000, seed)
        np.testing.assert_allclose(np.linalg.norm(path[:, 3:], axis=1), 1)
        assert (path[:, :3].min(axis=0) > [-1.2, -0.6, -1.5]).all()
        assert (path[:, :3].max(axis=0) < [1.2, 0.4, 0.2]).all()
    np.testing.assert_array_equal(demo_path(10, 3), demo_path(50, 3)[:10])


def test_the_seed_decides(tmp_path):
    def first(name, seed):
        return next((write_demo_sequence(tmp_path / name, 1, (48, 32), seed) / "rgb").iterdir()).read_bytes()

    assert first("a", 1) == first("b", 1) != first("c", 2)


def test_it_is_quick(tmp_path):
    start = time.process_time()
    write_demo_sequence(tmp_path, frames=2)
    assert time.process_time() - start < 2


def test_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="frames=0"):
        write_demo_sequence(tmp_path, frames=0)


def test_a_demo_is_made_anew_but_nothing_else_is_written_over(tmp_path):
    write_demo_sequence(tmp_path / "a", 3, (48, 32))
    write_demo_sequence(tmp_path / "a", 2, (48, 32))
    assert len(list((tmp_path / "a" / "rgb").iterdir())) == len(list((tmp_path / "a" / "depth").iterdir())) == 2
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "rgb.txt").write_text("# timestamp filename\n")
    with pytest.raises(FileExistsError, match="give another folder"):
        write_demo_sequence(tmp_path / "b", 2, (48, 32))
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["rgb.txt"]
