"""Floor plans: rooms fill the plan, doors are openings, walls end inside one another, the way goes through every room."""

import pytest
import torch

from ttt3r.data.procedural.draws import Draws
from ttt3r.data.procedural.plan import make_plans
from ttt3r.data.procedural.tour import Topology, topologies

ALL = [topology for rooms in range(1, 7) for narrow in (False, True) for topology in topologies(rooms, narrow)]


@pytest.fixture(params=ALL, ids=str)
def topology(request) -> Topology:
    return request.param


@pytest.fixture
def plan(topology):
    return make_plans(topology, Draws.of(3, 0, 24), (2.2, 6.0))


def test_rooms_fill_the_plan(topology, plan):
    sides = plan.rooms[..., 1::2] - plan.rooms[..., 0::2]
    assert plan.rooms.shape[1] == topology.rooms
    assert sides.min() > (1.4 if topology.narrow else 1.6)
    torch.testing.assert_close(sides.prod(-1).sum(1), plan.size.prod(-1))


def test_doors_are_openings_in_walls(topology, plan):
    assert plan.doors.shape[1] == (topology.rooms if topology.ring else topology.rooms - 1)
    for door in plan.doors.unbind(1):
        place = torch.stack([door[:, 0], torch.full_like(door[:, 0], -1.0), door[:, 1]], dim=-1)[:, None]
        within = ((place > plan.walls[:, :, 0]) & (place < plan.walls[:, :, 1])).all(-1)
        assert not within.any()
        assert door[:, 2].min() > 0.3


def test_walls_end_inside_one_another(topology, plan):
    """Where a wall meets another one it does not come out on the other side."""
    low, high = plan.walls[:, :, 0, 0::2], plan.walls[:, :, 1, 0::2]
    across = (high - low).amin(-1, keepdim=True) / 2  # half the thickness, but of very short pieces
    for room in plan.rooms.unbind(1):
        inner = room[:, None, 0::2] + plan.thickness[:, None, None] / 2 + 1e-6
        outer = room[:, None, 1::2] - plan.thickness[:, None, None] / 2 - 1e-6
        inside = (torch.minimum(high, outer) > torch.maximum(low, inner)).all(-1, keepdim=True)
        assert not (inside & (across > 0)).any()


def test_the_way_goes_through_every_room_and_every_door(topology, plan):
    points = plan.route.points[:, :, None]
    inside = (points > plan.rooms[:, None, :, 0::2]) & (points < plan.rooms[:, None, :, 1::2])
    assert inside.all(-1).any(1).all()
    for door in plan.doors.unbind(1):
        near = (plan.route.points - door[:, None, :2]).norm(dim=-1).amin(1)
        assert (near < 0.15).all()
    steps = (plan.route.points - plan.route.points.roll(1, dims=1)).norm(dim=-1)
    assert (steps.amax(1) < 1.01 * plan.route.length / 512).all()  # evenly spread, and closed
