"""Which points of a stream enter its cloud."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ttt3r.untrusted import real, shown, whole

SHARE_LEFT_OUT = 0.3
"""Share of each frame's points that stays out of the cloud, those of least confidence, where nothing else is asked for.

Networks differ in what their confidences mean; this suits all.
"""

_LEFT_OUT = float("nan")  # this very object, known by identity: the setting was not given

_MOST = 1e12  # of a confidence or a length, beyond any that means something


@dataclass(frozen=True)
class PointSelection:
    """Which points of a stream enter the cloud.

    Args:
        min_confidence: least confidence of a point; what suits depends on the network. Any, if left out.
        min_quantile: share of each frame's points that is dropped besides, those of least confidence, in [0, 1). If left out:
            `SHARE_LEFT_OUT`, or 0 where a least confidence is given.
        budget: most points that are kept.
        voxel_size: at most one point per cube of this side (metres); `None` for no such limit.
        seed: of the sampling.

    Raises:
        ValueError: for a setting out of its range.
    """

    min_confidence: float = _LEFT_OUT
    min_quantile: float = _LEFT_OUT
    budget: int = 1_000_000
    voxel_size: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        relative = self.min_confidence is _LEFT_OUT
        if self.min_quantile is _LEFT_OUT:
            object.__setattr__(self, "min_quantile", SHARE_LEFT_OUT if relative else 0.0)
        if relative:
            object.__setattr__(self, "min_confidence", 0.0)
        if math.isnan(self.min_confidence):
            raise ValueError(
                f"min_confidence must be a number, got {self.min_confidence}; 0 keeps points of any confidence"
            )
        if not 0 <= self.min_quantile < 1:
            raise ValueError(f"min_quantile must be in [0, 1), got {self.min_quantile}; 0 drops nothing")
        if self.budget < 1:
            raise ValueError(f"a point budget must be at least 1, got {self.budget}")
        if self.voxel_size is not None and not self.voxel_size > 0:
            raise ValueError(f"voxel_size must be positive (metres), got {self.voxel_size}; None switches it off")

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "PointSelection":
        """The selection that a file of unknown origin describes: `dataclasses.asdict` of one.

        Raises:
            ValueError: for a missing or unknown setting, or one that is no number of its range.
        """
        if facts.keys() != (names := {field.name for field in fields(cls)}):
            raise ValueError(f"the selection of points has {shown(sorted(map(str, facts)))}, expected {sorted(names)}")
        for name in ("budget", "seed"):
            whole(facts[name], name, -(2**63), 2**63 - 1)
        numbers = {name: facts[name] for name in names if name not in ("budget", "seed") and facts[name] is not None}
        for name, value in numbers.items():
            real(value, name, -_MOST, _MOST)
        if facts["min_confidence"] is None or facts["min_quantile"] is None:
            raise ValueError("min_confidence and min_quantile must be numbers")
        return cls(**facts)
