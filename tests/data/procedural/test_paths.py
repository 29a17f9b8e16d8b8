"""Cameras: in free space, smooth, out of what the first frame saw and back; and what they see agrees between frames."""

import math

import pytest
import torch
from oracles import distance_of_solids, seen_again, warp

from ttt3r.data.procedural import (
    ClipBatch,
    Corridor,
    Handheld,
    LookAround,
    Loop,
    Mixture,
    Orbit,
    Walk,
    WorldConfig,
    render,
    sample_cameras,
    sample_clips,
    sample_scenes,
)

PATHS = {
    "walk": Walk(),
    "walk on": Walk(reach=None),
    "corridor": Corridor(),
    "loop": Loop(),
    "orbit": Orbit(),
    "look around": LookAround(),
    "handheld": Handheld(Walk()),
}
every_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())


@every_path
def test_colours_of_one_frame_are_found_in_another(path):
    """Where a point is in sight, it has the same colour: texture and light depend on the place only."""
    clip = sample_clips(WorldConfig(width=128, height=96, path=path), batch=4, frames=3, seed=1)
    inside, color, difference = warp(clip, 0, 2)
    own = clip.image[0].flatten(2).transpose(1, 2)
    visible = inside & (difference < 0.01)
    assert visible.float().mean() > 0.25
    assert (visible.sum() / inside.sum()) > 0.8
    error = (color - own).abs().mean(-1)[visible]
    assert error.median() < 0.02
    unmoved = (clip.image[2].flatten(2).transpose(1, 2) - own).abs().mean(-1)[visible]
    assert error.mean() < 0.35 * unmoved.mean()


@every_path
def test_the_camera_stays_in_free_space(path):
    config = WorldConfig(path=path, rooms=(1, 6), solids=(0, 12), scale=(2.2, 7.0))
    scenes = sample_scenes(config, batch=40, seed=2)
    cameras = sample_cameras(scenes, config, 150)
    places = cameras.camera_to_world[..., :3, 3].transpose(0, 1)
    assert distance_of_solids(scenes, places).min() > 0.15


@every_path
def test_motion_is_within_its_limits(path):
    config = WorldConfig(path=path)
    scenes = sample_scenes(config, batch=32, seed=3)
    pose = sample_cameras(scenes, config, 100).camera_to_world.double()
    steps = (pose[1:, :, :3, 3] - pose[:-1, :, :3, 3]).norm(dim=-1)
    turned = pose[:-1, :, :3, :3].transpose(-1, -2) @ pose[1:, :, :3, :3]
    angles = torch.rad2deg(((turned.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).clamp(-1, 1).acos())
    low, high = (0.0, 0.11) if isinstance(path, LookAround) else (0.1, 0.45)
    assert low <= steps.mean() < steps.max() < high
    assert 4 < angles.mean() < 15
    assert angles.max() < 30
    identity = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(turned.transpose(-1, -2) @ turned, identity.expand_as(turned), atol=1e-5, rtol=0)


@every_path
def test_it_leaves_what_it_saw_and_comes_back(path):
    config = WorldConfig(width=16, height=16, path=path)
    frames = 160 if path in (PATHS["walk on"], PATHS["corridor"]) else 96
    scenes = sample_scenes(config, batch=10, seed=4)
    cameras = sample_cameras(scenes, config, frames).select(slice(0, None, 3))
    seen = render(scenes, cameras, (16, 16))
    share = seen_again(ClipBatch(seen.image, seen.depth, cameras.camera_to_world, cameras.intrinsics))
    assert (share[0] > 0.7).all()  # all but the border
    gone = (share < 0.1).cumsum(0) > 0
    assert gone[-1].float().mean() > 0.6  # orbits of a small room keep something in sight
    assert gone[:11].any(0).float().mean() > 0.6
    back = torch.where(gone, share, 0).amax(0)
    assert (back > 0.3).float().mean() > 0.6


@every_path
def test_the_first_frames_are_the_same_at_any_length(path):
    config = WorldConfig(path=path)
    scenes = sample_scenes(config, batch=3, seed=5)
    torch.testing.assert_close(
        sample_cameras(scenes, config, 40).camera_to_world[:9],
        sample_cameras(scenes, config, 9).camera_to_world,
        rtol=0,
        atol=1e-6,
    )


def test_a_walk_goes_through_doors():
    config = WorldConfig(path=Walk(reach=None), rooms=(3, 3))
    scenes = sample_scenes(config, batch=16, seed=6)
    places = sample_cameras(scenes, config, 150).camera_to_world[:, :, None, :3, 3]
    low, high = scenes.rooms[None, ..., 0::2], scenes.rooms[None, ..., 1::2]
    inside = ((places[..., 0::2] > low) & (places[..., 0::2] < high)).all(-1)
    assert (inside.any(0).sum(-1) == 3).float().mean() > 0.7  # all rooms, in most houses


def test_a_look_around_turns_fully():
    config = WorldConfig(path=LookAround())
    pose = sample_cameras(sample_scenes(config, batch=16, seed=7), config, 100).camera_to_world
    sectors = (torch.atan2(pose[..., 0, 2], pose[..., 2, 2]) / (2 * math.pi) * 8).floor()
    full = [len(sectors[:, item].unique()) == 8 for item in range(16)]
    assert sum(full) > 8


def test_a_mixture_takes_every_part():
    path = Mixture(
        (Mixture((Orbit(), 1), (Walk(), 1)), 3), (Corridor(), 1), (Handheld(Mixture((Loop(), 1), (Orbit(), 1))), 4)
    )
    assert [(type(part).__name__, weight) for part, weight in path.parts()] == [
        *(("Orbit", 3), ("Walk", 3), ("Corridor", 1), ("Handheld", 4), ("Handheld", 4))
    ]
    config = WorldConfig(path=path)
    scenes = sample_scenes(config, batch=64, seed=8)
    assert scenes.part.unique().tolist() == [0, 1, 2, 3, 4]
    assert sample_cameras(scenes, config, 5).camera_to_world.isfinite().all()
    assert path == Mixture(*path.choices)
    assert hash(config) == hash(WorldConfig(path=path))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Walk(speed=(0.4, 0.1)), "speed"),
        (lambda: Walk(turn=(5, 400)), "turn"),
        (lambda: Walk(reach=(0.0, 1.0)), "reach"),
        (lambda: Orbit(speed=(-1.0, 1.0)), "speed"),
        (lambda: Handheld(Walk(), shift=1.0), "shift"),
        (lambda: Mixture(), "at least|pairs"),
        (lambda: Mixture((Walk(), 0.0)), "positive"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
