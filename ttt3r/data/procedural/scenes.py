"""Houses: floor plan, furniture, paint and lamps of a batch of worlds, all drawn from the seed."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int64
from torch import Tensor

import ttt3r.tree as tree
from ttt3r.data.procedural.config import Textures, WorldConfig
from ttt3r.data.procedural.draws import Draws
from ttt3r.data.procedural.furniture import Blocks, Site, furnish
from ttt3r.data.procedural.motion import Ways
from ttt3r.data.procedural.plans import sample_plans
from ttt3r.data.procedural.surfaces import Lamps, Paint, hang_lamps, paint

FACES = 6
"""Painted surfaces of a room: the low and high end of x, the ceiling and the floor (low and high y), and of z."""


@dataclass(frozen=True)
class Solids:
    """Solids of one kind in every house, metres. Half sizes are negative where a house has fewer than the others.

    Args:
        center: in the house's own frame (x right, y down, z forward, the floor is y = 0).
        half: half sizes; a ball or an upright cylinder has its radius along x and z.
        turn: cosine and sine of the angle about the vertical: the solid's x axis is (cos, 0, -sin).
    """

    center: Float[Tensor, "batch solid 3"]
    half: Float[Tensor, "batch solid 3"]
    turn: Float[Tensor, "batch solid 2"]

    @classmethod
    def of(cls, blocks: Blocks) -> "Solids":
        """From the furniture."""
        turn = torch.stack([blocks.yaw.cos(), blocks.yaw.sin()], dim=-1)
        return cls(blocks.center.float(), blocks.half.float(), turn.float())


@dataclass(frozen=True)
class Scenes:
    """A batch of houses, in metres; each has its own frame: x right, y down, z forward, the floor is y = 0.

    Args:
        hull: low and high corner of the whole house.
        rooms: x low, x high, z low, z high of each room, up to the middle of inner walls; empty where there is none.
        walls: pieces of the inner walls; painted like the rooms that they face.
        boxes: furniture along the axes.
        turned: boxes that are turned about the vertical.
        balls: spheres.
        cylinders: upright ones.
        movers: radius of each moving ball.
        paint: of the six faces of each room, then of the boxes, turned boxes, balls, cylinders and movers.
        lamps: the light.
        ways: where cameras can go (double precision, on the CPU).
        part: which part of a mixed path the camera takes.
        draws: the source of all that is random in them.
    """

    hull: Float[Tensor, "batch 2 3"]
    rooms: Float[Tensor, "batch room 4"]
    walls: Solids
    boxes: Solids
    turned: Solids
    balls: Solids
    cylinders: Solids
    movers: Float[Tensor, "batch mover"]
    paint: Paint
    lamps: Lamps
    ways: Ways
    part: Int64[Tensor, " batch"]
    draws: Draws

    @property
    def batch(self) -> int:
        """Number of houses."""
        return self.hull.shape[0]

    @property
    def device(self) -> torch.device:
        """Where all but the ways lie."""
        return self.hull.device

    def to(self, device: torch.device | str) -> "Scenes":
        """On another device. The ways and draws stay on the CPU, where cameras are made."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        stay = ("ways", "part", "draws")
        return Scenes(**{name: part if name in stay else tree.to(part, device) for name, part in parts.items()})


def sample_scenes(
    config: WorldConfig, *, batch: int, seed: int, first: int = 0, device: torch.device | str = "cpu"
) -> Scenes:
    """The houses number `first`, `first + 1`, ... of a seed; each is the same in any batch.

    Raises:
        ValueError: if the batch is empty.
    """
    if batch < 1:
        raise ValueError(f"batch={batch} must be at least 1")
    draws = Draws.of(seed, first, batch)
    parts = config.path.parts()
    part = draws("part").choice(tuple(weight for _, weight in parts))
    narrow = torch.tensor([path.narrow for path, _ in parts])[part]
    plans = sample_plans(config, draws, narrow)
    site = Site(plans.free(), plans.middles, plans.height, plans.keep())
    furniture = furnish(site, draws("furniture"), config.solids)
    kinds = [Solids.of(blocks) for blocks in furniture.kinds()]
    rooms = config.rooms[1]
    paints = [paint(draws("faces"), config.textures, FACES * rooms)]
    for name, solids in zip(("boxes", "turned", "balls", "cylinders"), kinds, strict=True):
        paints.append(paint(draws(name), config.textures, solids.half.shape[1]))
    paints.append(paint(draws("movers"), Textures.bold(), config.moving))
    eye = plans.height * draws("eye").uniform(0.42, 0.6)
    scenes = Scenes(
        hull=plans.hull().float(),
        rooms=plans.rooms.float(),
        walls=Solids.of(plans.walls),
        boxes=kinds[0],
        turned=kinds[1],
        balls=kinds[2],
        cylinders=kinds[3],
        movers=draws("mover size").uniform(0.12, 0.2, (config.moving,)).float(),
        paint=tree.map_tensors(lambda *rows: torch.cat(rows, dim=1), *paints),
        lamps=hang_lamps(draws("lamps"), config.lights, plans.rooms, plans.height),
        ways=Ways(plans.route, plans.ring, plans.center, eye),
        part=part,
        draws=draws,
    )
    return scenes.to(device)
