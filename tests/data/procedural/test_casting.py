"""Rays against closed forms of each solid, and against a plain search in double precision."""

import math

import numpy as np
import pytest
import torch

from ttt3r.data.procedural.casting import NEAR, Bundle, Rays, cast

HULL = torch.tensor([[[-5.0, -2.5, -5.0], [5.0, 0.5, 5.0]]])
NONE = {"boxes": 6, "turned": 8, "balls": 4, "cylinders": 5}


def shoot(directions, origin=(0.0, 0.0, 0.0), **solids):
    """Depth and number of what is hit by rays from one point."""
    rows = {name: torch.tensor([solids[name]]) if name in solids else torch.zeros(1, 0, n) for name, n in NONE.items()}
    rays = Rays.guarded(torch.tensor(origin)[:, None, None], torch.as_tensor(directions).float().T[:, None])
    depth, solid = cast(rays, HULL, Bundle(**rows))
    return depth[0], solid[0].tolist()


def test_the_walls_of_the_hull():
    """From inside, the hit is the nearest of the planes ahead."""
    directions = [[0.0, 0.0, 1.0], [1.0, 0.0, 1e-9], [-2.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, -1.0, 0.1]]
    depth, solid = shoot(directions)
    torch.testing.assert_close(depth, torch.tensor([5.0, 5.0, 2.5, 0.5, 2.5]))
    assert set(solid) == {0}


def test_a_box():
    box = [[0.5, 0.0, 3.0, 0.4, 0.2, 0.5]]
    depth, solid = shoot([[0.0, 0.0, 1.0], [0.2, 0.0, 1.0], [0.5, 0.0, 1.0], [0.0, 0.1, 1.0]], boxes=box)
    # straight past its side at x = 0.1; the front at z = 2.5 (x = 0.5); past x = 0.9 at z = 2.5; above it
    torch.testing.assert_close(depth, torch.tensor([5.0, 2.5, 5.0, 5.0]))
    assert solid == [0, 1, 0, 0]


def test_a_turned_box():
    """A cube turned by 45 degrees shows its edge: the hit is half a diagonal before its centre."""
    cos = math.sqrt(0.5)
    depth, solid = shoot([[0.0, 0.0, 1.0]], turned=[[0.0, 0.0, 3.0, 0.5, 0.5, 0.5, cos, cos]])
    torch.testing.assert_close(depth, torch.tensor([3 - math.sqrt(0.5)]))
    assert solid == [1]


def test_the_turn_is_about_the_vertical_and_to_the_right():
    """A thin plank along x, turned by 30 degrees: its end is at (cos 30, 0, -sin 30)."""
    cos, sin = math.cos(math.pi / 6), math.sin(math.pi / 6)
    x, z = 0.9 * cos, 3 - 0.9 * sin
    depth, _ = shoot([[x / z, 0.0, 1.0]], turned=[[0.0, 0.0, 3.0, 1.0, 0.3, 0.001, cos, sin]])
    torch.testing.assert_close(depth, torch.tensor([z]), rtol=0, atol=3e-3)


def test_a_ball():
    """Straight at its centre it is met a radius before; at the angle of its rim it is missed."""
    rim = 0.5 / math.sqrt(9 - 0.25)
    depth, solid = shoot(
        [[0.0, 0.0, 1.0], [rim * 0.999, 0.0, 1.0], [rim * 1.001, 0.0, 1.0]], balls=[[0.0, 0.0, 3.0, 0.5]]
    )
    torch.testing.assert_close(depth[0], torch.tensor(2.5))
    torch.testing.assert_close(depth[1], torch.tensor(3 / (1 + rim**2)), rtol=0, atol=0.03)  # where the tangent touches
    assert solid == [1, 1, 0]


def test_a_cylinder_and_its_caps():
    cylinder = [[0.0, 0.3, 3.0, 0.5, 0.1]]
    depth, solid = shoot([[0.0, 0.1, 1.0], [0.0, 0.0, 1.0], [0.0, 0.07, 1.0], [0.15, 0.1, 1.0]], cylinders=cylinder)
    # the wall; over it; through its upper cap at y = 0.2; the wall beside the middle
    b, a = 3.0, 1 + 0.15**2
    aside = (b - math.sqrt(b * b - a * (9 - 0.25))) / a
    torch.testing.assert_close(depth, torch.tensor([2.5, 5.0, 0.2 / 0.07, aside]))
    assert solid == [1, 0, 1, 1]


def test_what_is_behind_or_absent_is_not_hit():
    nothing = [[-1.0] * 8]
    depth, solid = shoot(
        [[0.0, 0.0, 1.0], [0.01, 0.3, 1.0]],
        boxes=[[0.0, 0.0, -2.0, 0.5, 0.5, 0.5], nothing[0][:6]],
        turned=nothing,
        balls=[[0.0, 0.0, -2.0, 0.5], nothing[0][:4]],
        cylinders=[[0.0, 0.0, -2.0, 0.5, 0.5], nothing[0][:5]],
    )
    torch.testing.assert_close(depth, torch.tensor([5.0, 0.5 / 0.3]))
    assert solid == [0, 0]


def test_the_nearest_of_many_wins_in_any_order():
    near, far = [0.0, 0.0, 2.0, 0.5, 0.5, 0.5], [0.0, 0.0, 4.0, 0.5, 0.5, 0.5]
    assert shoot([[0.0, 0.0, 1.0]], boxes=[near, far])[1] == [1]
    assert shoot([[0.0, 0.0, 1.0]], boxes=[far, near])[1] == [2]
    assert shoot([[0.0, 0.0, 1.0]], boxes=[far], balls=[[0.0, 0.0, 2.0, 0.5]])[1] == [2]


def test_rays_along_the_axes_give_numbers():
    directions = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    depth, _ = shoot(
        directions,
        boxes=[[0.5, 0.0, 3.0, 0.5, 0.2, 0.5]],
        turned=[[0.0, 0.2, 2.0, 0.5, 0.1, 0.5, 1.0, 0.0]],
        balls=[[1.0, 0.0, 1.0, 0.3]],
        cylinders=[[0.0, -1.0, 0.0, 0.3, 0.2]],
    )
    assert depth.isfinite().all()


def march(origin, direction, solids):
    """First entry of a ray into any solid by double-precision quadratics and slabs, one ray at a time."""
    best, number = math.inf, 0
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = HULL[0].double().numpy()
        best = np.fmax((low - origin) / direction, (high - origin) / direction).min()
        for index, (kind, row) in enumerate(solids, start=1):
            away, turn = row[:3] - origin, np.eye(3)
            if kind == "turned":
                turn = np.array([[row[6], 0, -row[7]], [0, 1, 0], [row[7], 0, row[6]]])
            a, d = turn @ away, turn @ direction
            if kind in ("boxes", "turned"):
                ends = np.stack([(a - row[3:6]) / d, (a + row[3:6]) / d])
                enter, leave = ends.min(0).max(), ends.max(0).min()
            else:
                round_ = np.array([1, 1, 1]) if kind == "balls" else np.array([1, 0, 1])
                roots = np.roots(
                    [(d * d * round_).sum(), -2 * (a * d * round_).sum(), (a * a * round_).sum() - row[3] ** 2]
                )
                if np.iscomplex(roots).any():
                    continue
                enter, leave = roots.real.min(), roots.real.max()
                if kind == "cylinders":
                    caps = sorted([(a[1] - row[4]) / d[1], (a[1] + row[4]) / d[1]])
                    enter, leave = max(enter, caps[0]), min(leave, caps[1])
            if NEAR < enter < min(leave, best):
                best, number = enter, index
    return best, number


@pytest.mark.parametrize("seed", range(4))
def test_a_room_full_of_solids_against_a_plain_search(seed):
    random = np.random.default_rng(seed)
    place = lambda n: np.stack([*random.uniform(-3, 3, (1, n)), random.uniform(-2, 0.4, n), random.uniform(1, 4, n)], 1)  # noqa: E731
    angle = random.uniform(-3, 3, (3, 1))
    solids = {
        "boxes": np.concatenate([place(4), random.uniform(0.1, 0.9, (4, 3))], 1),
        "turned": np.concatenate([place(3), random.uniform(0.1, 0.9, (3, 3)), np.cos(angle), np.sin(angle)], 1),
        "balls": np.concatenate([place(3), random.uniform(0.2, 0.8, (3, 1))], 1),
        "cylinders": np.concatenate([place(3), random.uniform(0.1, 0.8, (3, 2))], 1),
    }
    directions = np.concatenate([random.uniform(-1, 1, (400, 2)), np.ones((400, 1))], 1)
    depth, solid = shoot(directions, **{name: rows.astype(np.float32).tolist() for name, rows in solids.items()})
    flat = [(name, row) for name in NONE for row in solids[name]]
    wanted = [march(np.zeros(3), direction, flat) for direction in directions]
    same = np.array([number == found for (_, number), found in zip(wanted, solid, strict=True)])
    assert same.mean() > 0.99  # at most a ray that grazes an edge
    np.testing.assert_allclose(depth.numpy()[same], np.array([t for t, _ in wanted])[same], rtol=2e-4)
    assert len(set(solid)) >= 8
