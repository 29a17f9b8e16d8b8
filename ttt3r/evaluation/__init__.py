"""Rules side by side: metrics, protocols, the comparison and its report. What is not here is in the subpackages."""

import importlib
from typing import TYPE_CHECKING, Any

from ttt3r.evaluation.engine.compare import compare as compare
from ttt3r.evaluation.engine.comparison import Comparison as Comparison
from ttt3r.evaluation.engine.comparison import ComparisonRow as ComparisonRow
from ttt3r.evaluation.engine.contenders import Contender as Contender
from ttt3r.evaluation.engine.evaluator import Evaluation as Evaluation
from ttt3r.evaluation.engine.evaluator import evaluate as evaluate
from ttt3r.evaluation.engine.palindrome import palindrome as palindrome
from ttt3r.evaluation.engine.segments import Segments as Segments
from ttt3r.evaluation.measures.base import Measure as Measure
from ttt3r.evaluation.measures.base import Measurement as Measurement
from ttt3r.evaluation.measures.base import measurement as measurement
from ttt3r.evaluation.measures.depth import OfficialDepth as OfficialDepth
from ttt3r.evaluation.measures.depth import StrictDepth as StrictDepth
from ttt3r.evaluation.measures.gains import GainAccount as GainAccount
from ttt3r.evaluation.measures.gains import GainSummary as GainSummary
from ttt3r.evaluation.measures.gains import equal_gain_constants as equal_gain_constants
from ttt3r.evaluation.measures.metric import Metric as Metric
from ttt3r.evaluation.measures.points import OfficialPoints as OfficialPoints
from ttt3r.evaluation.measures.points import StrictPoints as StrictPoints
from ttt3r.evaluation.measures.trajectory import Cameras as Cameras
from ttt3r.evaluation.measures.trajectory import StrictTrajectory as StrictTrajectory
from ttt3r.evaluation.measures.trajectory_official import OfficialTrajectory as OfficialTrajectory
from ttt3r.evaluation.metrics.depth.pixels import DepthSpool as DepthSpool
from ttt3r.evaluation.metrics.intervals import Interval as Interval
from ttt3r.evaluation.metrics.intervals import mean_interval as mean_interval
from ttt3r.evaluation.metrics.trajectory.errors import trajectory_errors as trajectory_errors
from ttt3r.evaluation.metrics.trajectory.similarity import umeyama as umeyama
from ttt3r.evaluation.plots.plots import plot_point_cloud as plot_point_cloud
from ttt3r.evaluation.protocols.base import Protocol as Protocol
from ttt3r.evaluation.protocols.paper import published_values as published_values
from ttt3r.evaluation.protocols.table import find_protocol as find_protocol
from ttt3r.evaluation.report.against import against_paper as against_paper
from ttt3r.evaluation.report.results import collect as collect
from ttt3r.evaluation.report.writing import ReportSettings as ReportSettings
from ttt3r.evaluation.report.writing import write_report as write_report
from ttt3r.evaluation.results.files import read_results as read_results
from ttt3r.evaluation.results.knowing_nothing import KNOWS_NOTHING as KNOWS_NOTHING
from ttt3r.evaluation.results.rows import ResultRow as ResultRow
from ttt3r.evaluation.results.rows import UnitResult as UnitResult
from ttt3r.evaluation.tasks.cameras import CameraTask as CameraTask
from ttt3r.evaluation.worlds.running import score_worlds as score_worlds

if TYPE_CHECKING:
    from ttt3r.evaluation.measures.torchmetrics import SequenceMetric as SequenceMetric

# What loads large libraries, and names that were here before: the room of each, and the name that it has there.
_ELSEWHERE = {
    "SequenceMetric": ("measures.torchmetrics", "SequenceMetric"),
    "CostMeter": ("measures.cost", "CostMeter"),
    "Family": ("measures.metric", "Family"),
    "FrameGain": ("measures.gains", "FrameGain"),
    "GainMoment": ("measures.gains", "FrameGain"),
    "PROTOCOLS": ("protocols.table", "PROTOCOLS"),
    "RecallScores": ("worlds.forgetting", "RecallScores"),
    "WorldPlan": ("worlds.study", "WorldPlan"),
    "WorldScores": ("worlds.scores", "WorldScores"),
    "WorldStudy": ("worlds.study", "WorldStudy"),
    "ask_recall": ("worlds", "ask_recall"),
    "plot_gains": ("plots", "plot_gains"),
    "plot_trajectories": ("plots", "plot_trajectories"),
    "questions_after": ("worlds", "questions_after"),
    "recall": ("worlds", "ask_recall"),
    "rule_styles": ("plots", "rule_styles"),
    "run_study": ("worlds.study", "run_study"),
    "with_controls": ("worlds", "with_controls"),
}

__all__ = [
    "CameraTask",
    "Cameras",
    "Comparison",
    "ComparisonRow",
    "Contender",
    "DepthSpool",
    "Evaluation",
    "GainAccount",
    "GainSummary",
    "Interval",
    "KNOWS_NOTHING",
    "Measure",
    "Measurement",
    "Metric",
    "OfficialDepth",
    "OfficialPoints",
    "OfficialTrajectory",
    "Protocol",
    "ReportSettings",
    "ResultRow",
    "Segments",
    "SequenceMetric",
    "StrictDepth",
    "StrictPoints",
    "StrictTrajectory",
    "UnitResult",
    "against_paper",
    "collect",
    "compare",
    "equal_gain_constants",
    "evaluate",
    "find_protocol",
    "mean_interval",
    "measurement",
    "palindrome",
    "plot_point_cloud",
    "published_values",
    "read_results",
    "score_worlds",
    "trajectory_errors",
    "umeyama",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Import a name from its room when it is first asked for."""
    if name not in _ELSEWHERE:
        raise AttributeError(f"module 'ttt3r.evaluation' has no attribute {name!r}")
    room, there = _ELSEWHERE[name]
    return getattr(importlib.import_module(f"ttt3r.evaluation.{room}"), there)
