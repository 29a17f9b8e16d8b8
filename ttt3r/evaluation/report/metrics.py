"""What a metric's name means: its unit, which way is better, how it is compared and how it is printed."""

import enum
from dataclasses import dataclass


class Direction(enum.Enum):
    """Which way is better."""

    LOWER = "lower"
    HIGHER = "higher"
    NEITHER = "neither"
    """A description, such as a mean gain: it is shown, and no rule wins by it."""


class Family(enum.Enum):
    """What a metric speaks of; the official scripts average each family in a way of its own."""

    TRAJECTORY = "trajectory"
    DEPTH = "depth"
    POINTS = "points"
    RECALL = "recall"
    GAIN = "gain"
    COST = "cost"
    OTHER = "other"


@dataclass(frozen=True)
class Metric:
    """How a number is read.

    Args:
        name: as in the rows, e.g. `depth_abs_rel/median`.
        heading: for people, without unit.
        unit: `m`, `deg`, ... or empty.
        direction: which way is better.
        family: what it speaks of.
        ratio: two rules are compared by ln(a / b); otherwise by a - b. Ratios suit errors, which are positive and spread
            over decades; they do not suit fractions (delta thresholds) and numbers that may be zero or negative.
        digits: after the point, in print.
    """

    name: str
    heading: str
    unit: str = ""
    direction: Direction = Direction.LOWER
    family: Family = Family.OTHER
    ratio: bool = True
    digits: int = 3

    @property
    def label(self) -> str:
        """Heading and unit, e.g. `ATE m`."""
        return f"{self.heading} {self.unit}".strip()

    @property
    def directed(self) -> bool:
        """Whether a rule can win by it."""
        return self.direction is not Direction.NEITHER

    def better(self, value: float, other: float) -> bool:
        """Whether `value` beats `other`; never for a metric without direction, nor for NaN."""
        return bool(value < other if self.direction is Direction.LOWER else self.directed and value > other)


_LOWER, _HIGHER, _NEITHER = Direction.LOWER, Direction.HIGHER, Direction.NEITHER

# By the start of the name, the longest that fits first. (heading, unit, direction, family, ratio, digits)
_KNOWN: dict[str, tuple[str, str, Direction, Family, bool, int]] = {
    "ate": ("ATE", "m", _LOWER, Family.TRAJECTORY, True, 4),
    "ate_normalised": ("ATE / path", "", _LOWER, Family.TRAJECTORY, True, 4),
    "rpe_translation": ("RPE", "m", _LOWER, Family.TRAJECTORY, True, 4),
    "rpe_rotation_degrees": ("RPE", "deg", _LOWER, Family.TRAJECTORY, True, 3),
    "rotation_degrees": ("rotation", "deg", _LOWER, Family.TRAJECTORY, True, 2),
    "translation": ("translation", "", _LOWER, Family.TRAJECTORY, True, 3),
    "scale": ("scale", "", _NEITHER, Family.TRAJECTORY, True, 3),
    "scale_error": ("|ln scale|", "", _LOWER, Family.TRAJECTORY, False, 3),
    "alignment_scale": ("scale", "", _NEITHER, Family.TRAJECTORY, True, 3),
    "drift_window": ("last window", "m", _LOWER, Family.TRAJECTORY, True, 3),
    "kitti_translation": ("KITTI t", "%", _LOWER, Family.TRAJECTORY, True, 2),
    "kitti_rotation": ("KITTI r", "deg/100 m", _LOWER, Family.TRAJECTORY, True, 3),
    "rotation_auc": ("AUC@30", "", _HIGHER, Family.TRAJECTORY, False, 3),
    "depth_abs_rel": ("AbsRel", "", _LOWER, Family.DEPTH, True, 4),
    "depth_sq_rel": ("SqRel", "m", _LOWER, Family.DEPTH, True, 3),
    "depth_rmse": ("RMSE", "m", _LOWER, Family.DEPTH, True, 3),
    "depth_log_rmse": ("log RMSE", "", _LOWER, Family.DEPTH, True, 3),
    "depth_delta_125": ("delta<1.25", "", _HIGHER, Family.DEPTH, False, 4),
    "depth_delta_156": ("delta<1.25^2", "", _HIGHER, Family.DEPTH, False, 4),
    "depth_delta_195": ("delta<1.25^3", "", _HIGHER, Family.DEPTH, False, 4),
    "depth_delta": ("delta", "", _HIGHER, Family.DEPTH, False, 4),
    "depth_scale": ("depth scale", "", _NEITHER, Family.DEPTH, True, 3),
    "depth_valid_pixels": ("pixels", "", _NEITHER, Family.DEPTH, False, 0),
    "accuracy": ("Acc", "m", _LOWER, Family.POINTS, True, 4),
    "completeness": ("Comp", "m", _LOWER, Family.POINTS, True, 4),
    "chamfer": ("Chamfer", "m", _LOWER, Family.POINTS, True, 4),
    "normal_consistency": ("NC", "", _HIGHER, Family.POINTS, False, 3),
    "precision": ("precision", "", _HIGHER, Family.POINTS, False, 3),
    "recall": ("recall", "", _HIGHER, Family.POINTS, False, 3),
    "f_score": ("F", "", _HIGHER, Family.POINTS, False, 3),
    "recall_color": ("recall colour", "", _HIGHER, Family.RECALL, False, 3),
    "recall_points": ("recall points", "", _LOWER, Family.RECALL, True, 3),
    "gain": ("gain", "", _NEITHER, Family.GAIN, False, 3),
    "gain_mean": ("gain", "", _NEITHER, Family.GAIN, False, 3),
    "gain_std": ("gain SD", "", _NEITHER, Family.GAIN, False, 3),
    "gain_std_tokens": ("SD tokens", "", _NEITHER, Family.GAIN, False, 3),
    "gain_std_frames": ("SD frames", "", _NEITHER, Family.GAIN, False, 3),
    "memory_age": ("age", "frames", _NEITHER, Family.GAIN, False, 1),
    "drift": ("state drift", "", _NEITHER, Family.GAIN, False, 2),
    "norm_ratio": ("norm ratio", "", _NEITHER, Family.GAIN, False, 2),
    "seconds": ("seconds", "s/frame", _LOWER, Family.COST, True, 4),
    "seconds_per_frame": ("time", "s/frame", _LOWER, Family.COST, True, 4),
    "frames_per_second": ("speed", "frames/s", _HIGHER, Family.COST, True, 1),
    "peak_memory": ("peak memory", "bytes", _LOWER, Family.COST, True, 0),
}

PRIMARY = ("ate", "depth_abs_rel", "chamfer", "accuracy", "recall_color", "rotation_degrees", "translation")
"""By the first of these that the rows hold, a verdict is given, unless another metric is asked for."""


def metric_named(name: str) -> Metric:
    """How the metric of that name is read.

    The part before the first `/` decides, or the longest known beginning of it at an underscore (`ate_se3` is read as an
    `ate`). What follows goes into the heading. An unknown metric has no direction: it is shown, and no rule wins by it.
    """
    base, _, variant = name.partition("/")
    known = next((start for start in sorted(_KNOWN, key=len, reverse=True) if _begins(base, start)), None)
    if known is None:
        return Metric(name, name.replace("_", " "), direction=Direction.NEITHER, ratio=False)
    heading, unit, direction, family, ratio, digits = _KNOWN[known]
    words = [part for part in (base.removeprefix(known).strip("_").replace("_", " "), variant) if part]
    return Metric(name, " ".join([heading, *words]), unit, direction, family, ratio, digits)


def _begins(base: str, start: str) -> bool:
    return base == start or base.startswith(f"{start}_")


def primary_metric(names: list[str]) -> str:
    """The metric by which a verdict is given: the first of `PRIMARY`, or else the first that has a direction.

    Raises:
        ValueError: if no metric has a direction.
    """
    for start in PRIMARY:
        if found := [name for name in names if name.partition("/")[0] == start]:
            return found[0]
    directed = [name for name in names if metric_named(name).directed]
    if not directed:
        raise ValueError(f"none of the metrics {names} says which way is better; name the one to judge by as `primary`")
    return directed[0]
