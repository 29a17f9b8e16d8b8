"""The worlds of the bundled network: in which it is trained, and in which held-out worlds are judged."""

from dataclasses import replace

from ttt3r.data.procedural.config import Textures, WorldConfig
from ttt3r.data.procedural.paths import LookAround, Loop, Mixture, Walk

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

TRAINING_LENGTH = 8
"""Longest clip of the training, in frames. Everything beyond is extrapolation."""

HELD_OUT_SEED = 900_000_000
"""Seeds from here up are never trained on: `ttt3r.training` keeps away from them, whatever the seed of its recipe."""
