"""The whole world: points on surfaces, reproducible, never twice the same, clear about bad settings."""

import pytest
import torch
from oracles import distance_of_solids

from ttt3r.data.procedural import (
    NANO_WORLD,
    Corridor,
    Handheld,
    Lights,
    Loop,
    Orbit,
    Textures,
    Walk,
    WorldConfig,
    render,
    render_normals,
    rendering,
    sample_cameras,
    sample_clips,
    sample_scenes,
    stream_clips,
)
from ttt3r.geometry import transform_points

SMALL = WorldConfig(width=48, height=32)


@pytest.fixture(scope="module")
def clips():
    return sample_clips(SMALL, batch=6, frames=5, seed=0)


def test_shapes_and_ranges(clips):
    assert clips.image.shape == (5, 6, 3, 32, 48)
    assert clips.depth.shape == (5, 6, 32, 48)
    assert (clips.frames, clips.batch, clips.size, clips.moving) == (5, 6, (32, 48), None)
    assert clips.image.dtype == clips.depth.dtype == torch.float32
    assert clips.image.isfinite().all()
    assert clips.depth.isfinite().all()
    assert -1 <= clips.image.min() < clips.image.max() <= 1
    assert clips.depth.min() > 0.2
    view = torch.rad2deg(2 * (48 / 2 / clips.intrinsics[:, 0, 0]).atan())
    assert ((view >= 60) & (view <= 90)).all()
    assert clips.intrinsics[:, :2, 2].unique(dim=0).tolist() == [[24.0, 16.0]]


@pytest.mark.parametrize(
    ("world", "recorded"),
    [
        (NANO_WORLD, [1.02707, -1.50992, 1.73992, 0.56179, -0.06577, -0.82466, 1.36045, 0.30484]),
        (
            WorldConfig(path=Handheld(Orbit())),
            [2.3183, -1.50823, 1.55047, 0.62503, 0.10103, -0.77403, 2.62486, 0.11114],
        ),
        (WorldConfig(path=Corridor()), [0.78492, -1.50992, 3.64242, 0.97592, -0.03657, -0.21502, 2.80933, -0.18447]),
        (WorldConfig(path=Loop()), [2.31174, -1.50992, 1.5423, -0.94434, 0.00112, -0.32897, 1.66781, 0.43214]),
    ],
)
def test_clips_are_those_of_every_release(world, recorded):
    """Recorded once: camera, depth and colours of a ninth frame. Results and trainings of before stay comparable."""
    clip = sample_clips(world, batch=2, frames=9, seed=5)
    pose = clip.camera_to_world[8, 1]
    found = [*pose[:3, 3], *pose[0, :3], clip.depth[8, 1].mean(), clip.image[8, 1].mean()]
    assert [float(value) for value in found] == pytest.approx(recorded, abs=2e-4)


def test_every_point_lies_on_a_surface():
    """Depth against the closed form of walls, boxes, balls and cylinders: the distance of every point from them is 0."""
    config = WorldConfig(width=48, height=32, rooms=(1, 4), solids=(6, 12))
    scenes = sample_scenes(config, batch=16, seed=1)
    clip = sample_clips(config, batch=16, frames=2, seed=1)
    points = transform_points(clip.camera_to_world, clip.points_camera())
    distance = distance_of_solids(scenes, points.transpose(0, 1).flatten(1, 3))
    assert distance.abs().max() < 2e-3
    torch.testing.assert_close(
        clip.points_world()[0], clip.points_camera()[0], rtol=0, atol=1e-5
    )  # the first camera is the world


def test_normals_stand_on_the_surface():
    """Against differences of neighbouring points, and against the distance function just before the surface."""
    config = WorldConfig(width=96, height=64, solids=(8, 12))
    scenes = sample_scenes(config, batch=6, seed=2)
    cameras = sample_cameras(scenes, config, 2)
    normals = render_normals(scenes, cameras, (64, 96))
    clip = sample_clips(config, batch=6, frames=2, seed=2)
    points = clip.points_camera()
    torch.testing.assert_close(normals.norm(dim=-1), torch.ones_like(clip.depth), atol=1e-4, rtol=0)
    assert ((normals * points).sum(-1) <= 0).all()
    right, down = points[:, :, :-1, 1:] - points[:, :, :-1, :-1], points[:, :, 1:, :-1] - points[:, :, :-1, :-1]
    measured = torch.nn.functional.normalize(torch.linalg.cross(down, right), dim=-1)
    agreement = (measured * normals[:, :, :-1, :-1]).sum(-1)
    assert (agreement > 0.99).float().mean() > 0.8  # but at edges, and where a ball is curved within a pixel
    before = transform_points(clip.camera_to_world, points + 0.01 * normals)
    distance = distance_of_solids(scenes, before.transpose(0, 1).flatten(1, 3))
    assert ((distance - 0.01).abs() < 1e-3).float().mean() > 0.95  # but beside another surface


def test_rays_of_the_clip_meet_its_points(clips):
    rays, points = clips.ray_maps(), clips.points_world()
    towards = torch.nn.functional.normalize(points - rays[..., :3], dim=-1)
    torch.testing.assert_close(towards, rays[..., 3:], rtol=0, atol=1e-5)


def test_the_same_seed_gives_the_same_clips_in_any_batch(clips):
    again = sample_clips(SMALL, batch=6, frames=5, seed=0)
    assert torch.equal(clips.image, again.image)
    assert torch.equal(clips.depth, again.depth)
    part = sample_clips(SMALL, batch=2, frames=5, seed=0, first=3)
    for name in ("image", "depth", "camera_to_world"):
        difference = (getattr(clips, name)[:, 3:5] - getattr(part, name)).abs()
        assert (difference > 1e-4).float().mean() < 1e-3, name  # at most a ray on an edge falls to its other side
    longer = sample_clips(SMALL, batch=6, frames=9, seed=0)
    assert ((longer.image[:5] - clips.image).abs() > 1e-3).float().mean() < 1e-3


def test_chunks_and_threads_change_nothing(clips, monkeypatch):
    monkeypatch.setattr(rendering, "CPU_RAYS", 1000)  # parts of one view
    parts = sample_clips(SMALL, batch=6, frames=5, seed=0)
    assert ((parts.image - clips.image).abs() > 1e-4).float().mean() < 1e-3
    torch.set_num_threads(2)
    threaded = sample_clips(SMALL, batch=6, frames=5, seed=0)
    assert torch.get_num_threads() == 2
    assert ((threaded.depth - clips.depth).abs() > 1e-4).float().mean() < 1e-3
    pieces = list(stream_clips(SMALL, batch=6, frames=5, seed=0, chunk=2))
    assert [piece.frames for piece in pieces] == [2, 2, 1]
    whole = torch.cat([piece.image for piece in pieces])
    assert ((whole - clips.image).abs() > 1e-4).float().mean() < 1e-3


def test_worlds_differ_in_everything():
    scenes = sample_scenes(SMALL, batch=32, seed=1)
    other = sample_scenes(SMALL, batch=32, seed=2)
    for one in (scenes.hull[:, 1], scenes.paint.first[:, 0], scenes.paint.rate[:, 0], scenes.lamps.color[:, 0]):
        assert len(one.unique(dim=0)) == 32
    assert not torch.equal(scenes.hull, other.hull)
    count = (scenes.boxes.half[..., 0] > 0).sum(1)
    assert count.unique().numel() > 3
    colors = scenes.paint.first[:, :6]  # no face of the first room has a usual colour
    assert colors.std(dim=0).min() > 0.12
    mean = sample_clips(SMALL, batch=32, frames=1, seed=1).image[0].mean((2, 3))
    assert mean.std(dim=0).min() > 0.1


def test_a_scene_can_be_seen_from_any_camera():
    config = WorldConfig(width=64, height=48, path=Orbit())
    scenes = sample_scenes(config, batch=2, seed=3)
    cameras = sample_cameras(scenes, config, 6)
    whole = render(scenes, cameras, (48, 64))
    part = render(scenes, cameras.select(slice(4, 5)), (48, 64))
    torch.testing.assert_close(whole.image[4:5], part.image, rtol=0, atol=1e-5)


def test_more_rays_smooth_colours_and_leave_depth_alone():
    plain = sample_clips(SMALL, batch=3, frames=2, seed=4)
    smooth = sample_clips(WorldConfig(width=48, height=32, supersample=3), batch=3, frames=2, seed=4)
    assert torch.equal(plain.depth, smooth.depth)
    change = (plain.image - smooth.image).abs()
    assert 0 < change.mean() < 0.05
    assert smooth.image.diff(dim=-1).abs().mean() < plain.image.diff(dim=-1).abs().mean()


def test_moving_objects_move_and_are_marked():
    config = WorldConfig(width=64, height=48, moving=6)
    still = sample_clips(WorldConfig(width=64, height=48), batch=8, frames=6, seed=5)
    clip = sample_clips(config, batch=8, frames=6, seed=5)
    assert clip.moving is not None
    assert 0.002 < clip.moving.float().mean() < 0.3
    same = (clip.depth - still.depth).abs() < 1e-4
    assert (same | clip.moving).float().mean() > 0.9999  # all else stands where it stood
    assert (clip.depth <= still.depth + 1e-4).float().mean() > 0.9999
    assert clip.depth.min() > 0.2
    assert clip.select(slice(1, 3)).moving.shape[0] == 2
    assert clip.item(2).moving.shape[1] == 1


def test_shadows_darken_and_move_with_nothing():
    config = WorldConfig(width=64, height=48, lights=Lights(shadows=True))
    bright = sample_clips(WorldConfig(width=64, height=48), batch=4, frames=2, seed=6)
    dark = sample_clips(config, batch=4, frames=2, seed=6)
    assert (dark.image <= bright.image + 1e-5).float().mean() > 0.999
    assert 0.02 < ((bright.image - dark.image) > 0.02).any(2).float().mean() < 0.6


def test_regimes_look_different():
    def edges(textures):
        clip = sample_clips(WorldConfig(textures=textures, lights=Lights.even()), batch=8, frames=1, seed=7)
        return clip.image.diff(dim=-1).abs().mean()

    assert edges(Textures.soft()) < edges(Textures()) < edges(Textures.bold())
    clip = sample_clips(WorldConfig(lights=Lights.dim()), batch=8, frames=1, seed=7)
    assert clip.image.mean() < sample_clips(WorldConfig(), batch=8, frames=1, seed=7).image.mean() - 0.1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 60}, "width=60 must be a multiple of the patch, 16 pixels; give 64"),
        ({"height": 0}, "height=0 must be a multiple"),
        ({"patch": 0}, "patch=0"),
        ({"rooms": (0, 2)}, "rooms"),
        ({"rooms": (3, 2)}, "rooms"),
        ({"solids": (1, 99)}, "solids"),
        ({"field_of_view": (90.0, 60.0)}, "field_of_view"),
        ({"scale": (1.0, 5.0)}, "scale"),
        ({"moving": -1}, "moving"),
        ({"supersample": 0}, "supersample"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        WorldConfig(**settings)


@pytest.mark.parametrize("settings", [{"path": "walk"}, {"textures": "brick"}, {"lights": None}, {"width": 64.0}])
def test_settings_of_another_kind_are_refused(settings):
    """By the check of types in tests, else by the configuration itself."""
    with pytest.raises((ValueError, TypeError), match=next(iter(settings))):
        WorldConfig(**settings)


def test_textures_and_lights_out_of_range_are_refused():
    with pytest.raises(ValueError, match="weights of textures"):
        Textures.soft().__class__(plain=0, gradient=0, checker=0, stripes=0, bricks=0, tiles=0, marble=0)
    with pytest.raises(ValueError, match="period"):
        Textures(period=(0.5, 0.1))
    with pytest.raises(ValueError, match="ambient"):
        Lights(ambient=(0.5, 1.5))
    with pytest.raises(ValueError, match="tint=2"):
        Lights(tint=2)


@pytest.mark.parametrize(("batch", "frames", "message"), [(0, 4, "batch=0"), (2, 0, "frames=0")])
def test_nothing_to_make_is_refused(batch, frames, message):
    with pytest.raises(ValueError, match=message):
        sample_clips(WorldConfig(path=Walk()), batch=batch, frames=frames, seed=0)


def test_nothing_is_made_on_another_device_than_the_scene():
    """Rendering with another default device works, so that all it makes lies where the scene does."""
    scenes = sample_scenes(SMALL, batch=2, seed=8)
    cameras = sample_cameras(scenes, SMALL, 2)
    plain = render(scenes, cameras, (32, 48), supersample=2)
    with torch.device("meta"):
        assert torch.equal(render(scenes, cameras, (32, 48), supersample=2).image, plain.image)


@pytest.mark.gpu
def test_a_gpu_makes_the_same_worlds():
    config = WorldConfig(width=64, height=48, moving=2, lights=Lights(shadows=True))
    here, there = (sample_clips(config, batch=8, frames=6, seed=9, device=device) for device in ("cpu", "cuda"))
    assert ((here.depth - there.depth.cpu()).abs() > 1e-3).float().mean() < 1e-3
    assert ((here.image - there.image.cpu()).abs() > 0.02).float().mean() < 2e-3
