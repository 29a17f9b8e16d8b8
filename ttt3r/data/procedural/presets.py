"""Worlds by name: in which the bundled network is trained, and in which held-out worlds are judged."""

import difflib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from ttt3r.data.procedural.camera_motion import Mixture
from ttt3r.data.procedural.config import Textures, WorldConfig
from ttt3r.data.procedural.paths import Jump, LookAround, Loop, Orbit, Swing, Walk

_LOOK = LookAround(speed=(0.0, 0.15), turn=(4.0, 14.0))
_WALK = Walk(speed=(0.08, 0.3), turn=(5.0, 15.0))
_FAST_LOOK = LookAround(speed=(0.0, 0.25), turn=(4.0, 14.0))
_FAST_WALK = Walk(speed=(0.15, 0.45), turn=(5.0, 15.0))
_FAST_LOOP = Loop(speed=(0.15, 0.5), turn=(6.0, 18.0))
_FIELD_OF_VIEW = (75.0, 75.0)  # one camera: 12 tokens a frame leave nothing to read a focal length from

SIMPLE_WORLD = WorldConfig(
    rooms=(1, 1), solids=(0, 4), field_of_view=_FIELD_OF_VIEW, path=Mixture((_LOOK, 1.0), (_WALK, 1.0))
)
"""One room, little furniture: the first stages of the training."""

BOLD_WORLD = replace(SIMPLE_WORLD, textures=Textures.bold())
"""The same with strong patterns, so that places are easy to distinguish: the very first stage."""

NANO_WORLD = WorldConfig(
    rooms=(1, 2),
    solids=(1, 5),
    field_of_view=_FIELD_OF_VIEW,
    path=Mixture((_FAST_LOOK, 1.0), (_FAST_WALK, 1.5), (_FAST_LOOP, 0.5)),
)
"""One or two furnished rooms, looked around in, walked through and come back to."""

_ROOM = replace(NANO_WORLD, rooms=(1, 1))
_SWINGS = Mixture((Swing(swing=(20.0, 40.0)), 1.0), (Swing(swing=(50.0, 70.0)), 1.0))

WORLDS: Mapping[str, WorldConfig] = MappingProxyType(
    {
        "video": NANO_WORLD.at_speed(1 / 3),
        "room": replace(_ROOM, path=_SWINGS).at_speed(1 / 3),
        "orbit": replace(_ROOM, path=Orbit()).at_speed(1 / 5),
        "tour": NANO_WORLD,
        "swing": replace(_ROOM, path=_SWINGS),
        "jump": replace(_ROOM, path=Jump()),
    }
)
"""All worlds that have a name.

*video*: the houses of *tour* at a third of the speed, about that of a video. *room*: one furnished room, filmed to and fro with
swings that show the same again. *orbit*: slow laps around the middle of a room, looking at it. *tour*: one or two rooms, looked
around in, walked through and come back to, as fast as the bundled network was trained. *swing*: *room* at full speed; *jump*:
views of one side of a room in no order; both are meant for training.
"""


def find_world(name: str) -> WorldConfig:
    """The world of that name.

    Raises:
        ValueError: if there is none, with those that look alike.
    """
    if name in WORLDS:
        return WORLDS[name]
    like = difflib.get_close_matches(name.lower(), WORLDS, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(like)}? " if like else ""
    raise ValueError(f"no world {name!r}; {hint}the worlds are {', '.join(WORLDS)}")


TRAINING_LENGTH = 8
"""Longest clip of the training, in frames. Everything beyond is extrapolation."""

HELD_OUT_SEED = 900_000_000
"""Seeds from here up are never trained on: `ttt3r.training` keeps away from them, whatever the seed of its recipe."""
