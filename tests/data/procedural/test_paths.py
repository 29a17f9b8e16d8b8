"""Cameras: in free space, smooth, out of what the first frame saw and back; and what they see agrees between frames."""

import math

import pytest
import torch
from oracles import distance_of_solids, seen_again, warp

from ttt3r.data.procedural import (
    WORLDS,
    AtSpeed,
    ClipBatch,
    Corridor,
    Handheld,
    Jump,
    LookAround,
    Loop,
    Mixture,
    Orbit,
    Swing,
    Walk,
    WorldConfig,
    find_world,
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
    "swing": Swing(swing=(50.0, 70.0)),
    "jump": Jump(reach=(0.6, 1.2), swing=(30.0, 40.0)),
    "faster": Swing(swing=(50.0, 70.0)).at_speed(1.5),
    "slower": Mixture(
        (Loop((0.3, 0.8)), 1), (LookAround(turn=(10.0, 40.0)), 1), (Handheld(Walk((0.3, 0.8))), 1)
    ).at_speed(0.4, 0.6),
}
LIMITS = {LookAround: (0.0, 0.11), Swing: (0.05, 0.2), AtSpeed: (0.05, 0.25), Mixture: (0.05, 0.5)}
"""Metres per frame, on average and at most."""
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
    if path is PATHS["jump"]:  # no motion from one view to the next: any two within its reach and swing
        assert steps.max() < 1.2 * 1.3
        assert 10 < angles.mean() < angles.max() < 85
        return
    low, high = LIMITS.get(type(path), (0.1, 0.45))
    assert low <= steps.mean() < steps.max() < high
    assert 3 < angles.mean() < 15
    assert angles.max() < 30
    identity = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(turned.transpose(-1, -2) @ turned, identity.expand_as(turned), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", PATHS)
def test_it_leaves_what_it_saw_and_comes_back(name):
    path = PATHS[name]
    config = WorldConfig(width=16, height=16, path=path)
    frames = 160 if name in ("walk on", "corridor") else 96
    scenes = sample_scenes(config, batch=10, seed=4)
    cameras = sample_cameras(scenes, config, frames).select(slice(0, None, 3))
    seen = render(scenes, cameras, (16, 16))
    share = seen_again(ClipBatch(seen.image, seen.depth, cameras.camera_to_world, cameras.intrinsics))
    assert (share[0] > 0.7).all()  # all but the border
    limit = 0.5 if name in ("swing", "jump", "faster") else 0.1  # these look at one side of the room
    gone = (share < limit).cumsum(0) > 0
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


def cameras_of(path, frames, seed=11):
    config = WorldConfig(path=path)
    return sample_cameras(sample_scenes(config, batch=16, seed=seed), config, frames).camera_to_world.double()


def step_and_turn(pose):
    steps = (pose[1:, :, :3, 3] - pose[:-1, :, :3, 3]).norm(dim=-1)
    turned = pose[:-1, :, :3, :3].transpose(-1, -2) @ pose[1:, :, :3, :3]
    turns = ((turned.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).clamp(-1, 1).acos()
    return float(steps.mean()), float(turns.mean())


@pytest.mark.parametrize("name", ["walk on", "corridor", "loop", "orbit", "look around", "swing", "slower"])
def test_at_a_third_of_the_speed_every_third_frame_is_the_old_one(name):
    path = PATHS[name]
    fast, slow = cameras_of(path, 41), cameras_of(path.at_speed(1 / 3), 121)
    torch.testing.assert_close(slow[::3], fast, rtol=0, atol=1e-5)
    for before, after in zip(step_and_turn(fast), step_and_turn(slow), strict=True):
        assert after == pytest.approx(before / 3, rel=0.04)  # less only by what was cut across


def test_speeds_are_passed_on_and_multiply():
    path = Mixture((Handheld(Orbit()), 1), (Jump(), 2)).at_speed(0.5).at_speed(0.25, 1.0)
    assert path == Mixture((AtSpeed(Handheld(Orbit()), (0.125, 0.5)), 1), (Jump(), 2))
    assert AtSpeed(Mixture((Loop(), 3), (Orbit(), 1)), (0.5, 0.5)).parts() == (
        (AtSpeed(Loop(), (0.5, 0.5)), 3),
        (AtSpeed(Orbit(), (0.5, 0.5)), 1),
    )
    assert Corridor().at_speed(0.5).narrow
    config = WorldConfig(path=Walk())
    assert config.at_speed(0.5) == WorldConfig(path=AtSpeed(Walk(), (0.5, 0.5)))
    torch.testing.assert_close(cameras_of(Orbit().at_speed(1.0), 30), cameras_of(Orbit(), 30), rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="set the range once"):
        Orbit().at_speed(0.5, 1.0).at_speed(0.5, 1.0)
    for wrong in ((0.0, None), (2.0, 1.0), (math.nan, None), (1.0, math.inf)):
        with pytest.raises(ValueError, match="speed factor"):
            Orbit().at_speed(*wrong)


def test_each_clip_draws_its_own_speed_evenly_on_a_logarithmic_scale():
    """Against the same houses at full speed: the way of one step tells the factor."""
    config = WorldConfig(path=Orbit(speed=(0.2, 0.2)))
    scenes = sample_scenes(config, batch=400, seed=12)
    fast = sample_cameras(scenes, config, 2).camera_to_world[:, :, :3, 3]
    slow_config = config.at_speed(0.25, 1.0)
    slow = sample_cameras(scenes, slow_config, 2).camera_to_world[:, :, :3, 3]
    factor = ((slow[1] - slow[0]).norm(dim=-1) / (fast[1] - fast[0]).norm(dim=-1)).log() / math.log(0.25)
    assert -0.05 < factor.min() < 0.03
    assert 0.97 < factor.max() < 1.05
    assert factor.mean() == pytest.approx(0.5, abs=0.05)
    assert factor.std() == pytest.approx(12**-0.5, abs=0.03)


def test_a_swing_stays_on_its_side_of_the_room_and_within_its_angle():
    path = Swing(speed=(0.1, 0.1), reach=(1.0, 1.0), swing=(50.0, 50.0))
    pose = cameras_of(path, 300)
    place = pose[:, :, [0, 2], 3]
    assert (place[None] - place[:, None]).norm(dim=-1).amax((0, 1)).min() > 0.8
    assert (place[None] - place[:, None]).norm(dim=-1).max() < 1.0 + 1e-6  # a chord is no longer than its arc
    yaw = torch.rad2deg(torch.atan2(pose[..., 0, 2], pose[..., 2, 2]))
    away = torch.remainder(yaw - yaw[:1] + 180, 360) - 180
    width = away.amax(0) - away.amin(0)
    assert ((width > 70) & (width < 100.01)).all()


def test_jumps_have_no_order():
    """The next view is as far from this one as any other is."""
    pose = cameras_of(Jump(reach=(1.0, 1.0), swing=(30.0, 30.0)), 200)
    place = pose[:, :, :3, 3]
    near = (place[1:] - place[:-1]).norm(dim=-1).mean()
    far = (place[50:] - place[:-50]).norm(dim=-1).mean()
    assert float(near / far) == pytest.approx(1, abs=0.03)
    torch.testing.assert_close(cameras_of(Jump().at_speed(0.1), 9), cameras_of(Jump(), 9), rtol=0, atol=0)


def test_the_named_worlds():
    assert list(WORLDS)[:4] == ["video", "room", "orbit", "tour"]
    turns = {name: step_and_turn(cameras_of(world.path, 64))[1] for name, world in WORLDS.items()}
    assert turns["video"] == pytest.approx(turns["tour"] / 3, rel=0.15)
    assert turns["room"] < turns["video"] < turns["tour"] < turns["jump"]
    assert all(find_world(name) == world for name, world in WORLDS.items())
    assert all(find_world(name).rooms == (1, 1) for name in ("room", "orbit", "swing", "jump"))
    with pytest.raises(ValueError, match=r"no world 'vido'; did you mean video\?.*room.*tour"):
        find_world("vido")
    with pytest.raises(ValueError, match=r"did you mean video"):
        find_world("Video")
    with pytest.raises(ValueError, match=r"no world 'xyz'; the worlds are video"):
        find_world("xyz")
