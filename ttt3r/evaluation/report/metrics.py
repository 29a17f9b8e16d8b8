"""What a metric's name means: its unit, which way is better, how it is compared and how it is printed."""

import enum
import functools
from collections.abc import Sequence
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
    "ate_per_path": ("ATE / path", "", _LOWER, Family.TRAJECTORY, True, 4),
    "rpe_translation": ("RPE", "m", _LOWER, Family.TRAJECTORY, True, 4),
    "rpe_rotation_degrees": ("RPE", "deg", _LOWER, Family.TRAJECTORY, True, 3),
    "rotation_degrees": ("rotation", "deg", _LOWER, Family.TRAJECTORY, True, 2),
    "translation": ("translation", "", _LOWER, Family.TRAJECTORY, True, 3),
    "ate_per_first_view": ("ATE / first view", "", _LOWER, Family.TRAJECTORY, True, 4),
    "translation_per_first_view": ("translation / first view", "", _LOWER, Family.TRAJECTORY, True, 3),
    "alignment_scale": ("scale", "", _NEITHER, Family.TRAJECTORY, True, 3),
    "scale_error": ("|ln scale|", "", _LOWER, Family.TRAJECTORY, False, 3),
    "drift": ("drift", "m", _LOWER, Family.TRAJECTORY, True, 3),
    "drift_per_metre": ("drift per metre", "", _LOWER, Family.TRAJECTORY, True, 4),
    "segment_translation_percent": ("segments", "%", _LOWER, Family.TRAJECTORY, True, 2),
    "segment_rotation_degrees_per_metre": ("segments", "deg/m", _LOWER, Family.TRAJECTORY, True, 4),
    "rotation_auc": ("AUC", "", _HIGHER, Family.TRAJECTORY, False, 3),
    "depth_abs_rel": ("AbsRel", "", _LOWER, Family.DEPTH, True, 4),
    "depth_sq_rel": ("SqRel", "m", _LOWER, Family.DEPTH, True, 3),
    "depth_rmse": ("RMSE", "m", _LOWER, Family.DEPTH, True, 3),
    "depth_log_rmse": ("log RMSE", "", _LOWER, Family.DEPTH, True, 3),
    "depth_delta_125": ("d<1.25", "", _HIGHER, Family.DEPTH, False, 4),
    "depth_delta_125_2": ("d<1.25^2", "", _HIGHER, Family.DEPTH, False, 4),
    "depth_delta_125_3": ("d<1.25^3", "", _HIGHER, Family.DEPTH, False, 4),
    "depth_scale": ("depth scale", "", _NEITHER, Family.DEPTH, True, 3),
    "depth_scale_log_std": ("scale SD", "", _LOWER, Family.DEPTH, True, 3),
    "depth_scale_log_slope": ("scale slope", "", _NEITHER, Family.DEPTH, False, 4),
    "depth_pixels": ("pixels", "", _NEITHER, Family.DEPTH, False, 0),
    "depth_valid_pixels": ("pixels", "", _NEITHER, Family.DEPTH, False, 0),
    "points_accuracy": ("Acc", "m", _LOWER, Family.POINTS, True, 4),
    "points_completeness": ("Comp", "m", _LOWER, Family.POINTS, True, 4),
    "points_chamfer": ("Chamfer", "m", _LOWER, Family.POINTS, True, 4),
    "points_normal_consistency": ("NC", "", _HIGHER, Family.POINTS, False, 3),
    "points_precision": ("precision", "", _HIGHER, Family.POINTS, False, 3),
    "points_recall": ("recall", "", _HIGHER, Family.POINTS, False, 3),
    "points_f_score": ("F", "", _HIGHER, Family.POINTS, False, 3),
    "points_fitness": ("ICP fitness", "", _HIGHER, Family.POINTS, False, 3),
    "recall_color": ("recall colour", "", _HIGHER, Family.RECALL, False, 3),
    "recall_points": ("recall points", "", _LOWER, Family.RECALL, True, 3),
    "gain": ("gain", "", _NEITHER, Family.GAIN, False, 3),
    "gain_mean": ("gain", "", _NEITHER, Family.GAIN, False, 3),
    "gain_std": ("gain SD", "", _NEITHER, Family.GAIN, False, 3),
    "gain_std_tokens": ("SD tokens", "", _NEITHER, Family.GAIN, False, 3),
    "gain_std_frames": ("SD frames", "", _NEITHER, Family.GAIN, False, 3),
    "memory_age": ("age", "frames", _NEITHER, Family.GAIN, False, 1),
    "state_drift": ("state drift", "", _NEITHER, Family.GAIN, False, 2),
    "norm_ratio": ("norm ratio", "", _NEITHER, Family.GAIN, False, 2),
    "seconds_per_frame": ("time", "s/frame", _LOWER, Family.COST, True, 4),
    "frames_per_second": ("speed", "frames/s", _HIGHER, Family.COST, True, 1),
    "peak_memory": ("peak memory", "bytes", _LOWER, Family.COST, True, 0),
}

OFFICIAL = "official/"
"""The beginning of metrics that are computed as the published scripts do."""

PRIMARY = (
    "ate",
    "depth_abs_rel",
    "points_chamfer",
    "points_accuracy",
    "recall_color",
    "rotation_degrees",
    "translation",
)
"""By the first of these that the rows hold, a verdict is given, unless another metric is asked for."""


@functools.cache
def metric_named(name: str) -> Metric:
    """How the metric of that name is read.

    The part before the first `/` decides, or the longest known beginning of it at an underscore (`points_f_score_0.05` is
    read as `points_f_score`). What follows goes into the heading, and so does `official`. An unknown metric has no direction:
    it is shown, and no rule wins by it.
    """
    base, _, variant = name.removeprefix(OFFICIAL).partition("/")
    known = next((start for start in sorted(_KNOWN, key=len, reverse=True) if _begins(base, start)), None)
    if known is None:
        return Metric(name, name.replace("_", " "), direction=Direction.NEITHER, ratio=False)
    heading, unit, direction, family, ratio, digits = _KNOWN[known]
    official = "official" if name.startswith(OFFICIAL) else ""
    words = [part for part in (base.removeprefix(known).strip("_").replace("_", " "), variant, official) if part]
    return Metric(name, " ".join([heading, *words]), unit, direction, family, ratio, digits)


def _begins(base: str, start: str) -> bool:
    return base == start or base.startswith(f"{start}_")


FEW = 8
CORE = ("ate", "rpe_translation", "rpe_rotation_degrees", "depth_abs_rel", "depth_delta_125", "points_accuracy")
CORE += ("points_completeness", "points_normal_consistency", "points_f_score", "recall_color", "recall_points")


def core_metrics(names: Sequence[str]) -> list[str]:
    """Those that a first look needs: all of them if they are few, else the first variant of each in `CORE`."""
    if len(names) <= FEW:
        return list(names)
    first: dict[str, str] = {}
    for name in names:
        base = name.removeprefix(OFFICIAL).partition("/")[0]
        known = next((start for start in sorted(CORE, key=len, reverse=True) if _begins(base, start)), None)
        if known is not None and (base == known or known == "points_f_score"):
            first.setdefault(known, name)
    chosen = {base if base in names else name for base, name in first.items()}
    return [name for name in names if name in chosen] or list(names[:FEW])


def primary_metric(names: list[str]) -> str:
    """The metric by which a verdict is given: the first of `PRIMARY`, or else the first that has a direction.

    Raises:
        ValueError: if no metric has a direction.
    """
    for start in PRIMARY:
        if start in names:
            return start
        if found := [name for name in names if name.removeprefix(OFFICIAL).partition("/")[0] == start]:
            return found[0]
    directed = [name for name in names if metric_named(name).directed]
    if not directed:
        raise ValueError(f"none of the metrics {names} says which way is better; name the one to judge by as `primary`")
    return directed[0]
