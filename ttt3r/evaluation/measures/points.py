"""How the points of a scene are measured: at a fixed density after several alignments, and as published."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ttt3r.evaluation.measures.base import Measure, Measurement, Missing, measurement, nothing
from ttt3r.evaluation.measures.metric import Family, Metric
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.metrics.points.alignment import (
    ClosestPointsAlignment,
    FirstCameraPoints,
    PointAlignment,
    UmeyamaPoints,
)
from ttt3r.evaluation.metrics.points.errors import THRESHOLDS, Cloud, PointErrors, SceneViews, point_errors
from ttt3r.evaluation.metrics.points.normals import estimated_normals, thinned
from ttt3r.evaluation.metrics.points.official import official_scene_errors
from ttt3r.evaluation.metrics.trajectory.similarity import DegenerateTrajectory


def _distance(name: str, heading: str) -> Metric:
    return Metric(name, heading, "m", False, Family.POINTS, ratio=True, digits=4)


def _share(name: str, heading: str, quantity: str = "") -> Metric:
    return Metric(name, heading, "", True, Family.POINTS, quantity=quantity)


_COLUMNS = (
    ("accuracy", _distance("points_accuracy", "Acc")),
    ("accuracy_median", _distance("points_accuracy_median", "Acc median")),
    ("completeness", _distance("points_completeness", "Comp")),
    ("completeness_median", _distance("points_completeness_median", "Comp median")),
    ("chamfer", _distance("points_chamfer", "Chamfer")),
    ("normal_consistency", _share("points_normal_consistency", "NC")),
    ("normal_consistency_median", _share("points_normal_consistency_median", "NC median")),
)
"""Fields of `PointErrors`, and what they are."""
PER_POINT = tuple(metric for _, metric in _COLUMNS)
"""Errors per point, after each alignment."""
SHARES = (
    _share("points_precision", "precision"),
    _share("points_recall", "recall"),
    _share("points_f_score", "F"),
)
"""Shares of points within a threshold."""
_FITNESS = _share("points_fitness", "ICP fitness")


@dataclass(frozen=True)
class StrictPoints(Measure[SceneViews]):
    """Both clouds are thinned to one point per voxel, so that nothing depends on the number of views or pixels.

    Names are `points_accuracy/umeyama` and the like for every alignment, with the threshold before the stroke for shares:
    `points_f_score_0.05/umeyama`.

    Args:
        alignments: by name; all are fitted on the pixels with truth.
        voxel: metres.
        thresholds: of precision, recall and F-score, metres.
        neighbours: that give a normal.
    """

    alignments: tuple[tuple[str, PointAlignment], ...] = (
        ("metric", FirstCameraPoints()),
        ("umeyama", UmeyamaPoints()),
        ("icp", ClosestPointsAlignment()),
    )
    voxel: float = 0.01
    thresholds: tuple[float, ...] = THRESHOLDS
    neighbours: int = 30

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is measured."""
        return tuple(metric.variant(name) for name, _ in self.alignments for metric in self._aligned)

    @property
    def _aligned(self) -> tuple[Metric, ...]:
        """What is measured after one alignment."""
        shares = [
            _share(f"{share.name}_{limit:g}", f"{share.heading} {limit:g}", share.name)
            for limit in self.thresholds
            for share in SHARES
        ]
        return (*PER_POINT, *shares)

    def __call__(self, sample: SceneViews) -> Measurement:
        """The numbers of a scene."""
        truth, predicted = (
            points[sample.valid].detach().cpu().double().numpy() for points in (sample.points_world, sample.predicted)
        )
        if len(truth) < 3 or not np.isfinite(truth).all():
            return nothing(
                self.names, Status.INVALID_TRUTH, f"{len(truth)} pixels have a true point, or one is not finite"
            )
        bad = int((~np.isfinite(predicted).all(axis=1)).sum())
        if bad:
            return nothing(self.names, Status.NON_FINITE, f"{bad} of {len(predicted)} predicted points are not finite")
        camera, target = sample.camera_to_world.detach().cpu().double().numpy(), self._cloud(truth)
        values = dict[str, float | Missing]()
        for name, alignment in self.alignments:
            names = [metric.variant(name).name for metric in self._aligned]
            try:
                moved = self._cloud(alignment.fit(predicted, truth, camera).points(predicted))
                found = _numbers(point_errors(moved, target, self.thresholds))
                values.update(zip(names, found, strict=True))
            except DegenerateTrajectory as error:
                values.update(dict.fromkeys(names, Missing(Status.DEGENERATE, str(error))))
        return measurement(values, int(sample.valid.flatten(1).any(dim=1).sum()))

    def _cloud(self, points: Float[np.ndarray, "point xyz=3"]) -> Cloud:
        """One point per voxel, with normals if there are enough points for one."""
        kept = thinned(points, self.voxel)
        return Cloud(kept, estimated_normals(kept, self.neighbours) if len(kept) >= 3 else None)


def _numbers(errors: PointErrors) -> list[float]:
    columns = [getattr(errors, field) for field, _ in _COLUMNS]
    return columns + [
        share for group in zip(errors.precision, errors.recall, errors.f_score, strict=True) for share in group
    ]


@dataclass(frozen=True)
class OfficialPoints(Measure[SceneViews]):
    """The published measures of a scene (`official_scene_errors`).

    Args:
        crop: side of the square around each image's middle that is judged, pixels.
        radius: of closest points, metres.
    """

    crop: int = 224
    radius: float = 0.1

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is measured."""
        return tuple(metric.as_published() for metric in (*PER_POINT, _FITNESS))

    def __call__(self, sample: SceneViews) -> Measurement:
        """The numbers of a scene."""
        views = SceneViews(
            *(sample.points_world.cpu(), sample.valid.cpu(), sample.camera_to_world.cpu(), sample.predicted.cpu())
        )
        if not views.predicted[views.valid].isfinite().all():
            return nothing(self.names, Status.NON_FINITE, "a predicted point is not finite")
        try:
            found = official_scene_errors(views, self.crop, self.radius)
        except DegenerateTrajectory as error:
            return nothing(self.names, Status.DEGENERATE, str(error))
        except ValueError as error:
            return nothing(self.names, Status.INVALID_TRUTH, str(error))
        values = [*(getattr(found.errors, field) for field, _ in _COLUMNS), found.closest.fitness]
        return measurement(dict(zip(self.names, values, strict=True)), len(sample.valid))
