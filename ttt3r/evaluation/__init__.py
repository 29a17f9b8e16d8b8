"""Rules side by side: metrics, protocols, the comparison and its report. What is not here is in the subpackages."""

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
from ttt3r.evaluation.measures.cost import CostMeter as CostMeter
from ttt3r.evaluation.measures.depth import OfficialDepth as OfficialDepth
from ttt3r.evaluation.measures.depth import StrictDepth as StrictDepth
from ttt3r.evaluation.measures.gains import FrameGain as FrameGain
from ttt3r.evaluation.measures.gains import GainAccount as GainAccount
from ttt3r.evaluation.measures.gains import GainSummary as GainSummary
from ttt3r.evaluation.measures.gains import equal_gain_constants as equal_gain_constants
from ttt3r.evaluation.measures.metric import Family as Family
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
from ttt3r.evaluation.metrics.trajectory.errors import umeyama as umeyama
from ttt3r.evaluation.plots.palette import rule_styles as rule_styles
from ttt3r.evaluation.plots.plots import plot_gains as plot_gains
from ttt3r.evaluation.plots.plots import plot_point_cloud as plot_point_cloud
from ttt3r.evaluation.plots.plots import plot_trajectories as plot_trajectories
from ttt3r.evaluation.protocols.base import Protocol as Protocol
from ttt3r.evaluation.protocols.paper import against_paper as against_paper
from ttt3r.evaluation.protocols.paper import published_values as published_values
from ttt3r.evaluation.protocols.table import PROTOCOLS as PROTOCOLS
from ttt3r.evaluation.protocols.table import find_protocol as find_protocol
from ttt3r.evaluation.report.results import collect as collect
from ttt3r.evaluation.report.writing import ReportSettings as ReportSettings
from ttt3r.evaluation.report.writing import write_report as write_report
from ttt3r.evaluation.results.files import read_results as read_results
from ttt3r.evaluation.results.knowing_nothing import KNOWS_NOTHING as KNOWS_NOTHING
from ttt3r.evaluation.results.rows import ResultRow as ResultRow
from ttt3r.evaluation.results.rows import UnitResult as UnitResult
from ttt3r.evaluation.tasks.cameras import CameraTask as CameraTask
from ttt3r.evaluation.worlds.forgetting import RecallScores as RecallScores
from ttt3r.evaluation.worlds.forgetting import ask_recall as ask_recall
from ttt3r.evaluation.worlds.forgetting import questions_after as questions_after
from ttt3r.evaluation.worlds.forgetting import with_controls as with_controls
from ttt3r.evaluation.worlds.running import WorldScores as WorldScores
from ttt3r.evaluation.worlds.running import score_worlds as score_worlds
from ttt3r.evaluation.worlds.study import WorldPlan as WorldPlan
from ttt3r.evaluation.worlds.study import WorldStudy as WorldStudy
from ttt3r.evaluation.worlds.study import run_study as run_study

if TYPE_CHECKING:
    from ttt3r.evaluation.measures.torchmetrics import SequenceMetric as SequenceMetric

# The names that these had before; kept for code that was written then.
GainMoment = FrameGain
recall = ask_recall

__all__ = [
    "FrameGain",
    "GainMoment",
    "ask_recall",
    "CameraTask",
    "Cameras",
    "Comparison",
    "ComparisonRow",
    "Contender",
    "CostMeter",
    "DepthSpool",
    "Evaluation",
    "Family",
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
    "PROTOCOLS",
    "Protocol",
    "RecallScores",
    "ReportSettings",
    "ResultRow",
    "Segments",
    "SequenceMetric",
    "StrictDepth",
    "StrictPoints",
    "StrictTrajectory",
    "UnitResult",
    "WorldPlan",
    "WorldScores",
    "WorldStudy",
    "against_paper",
    "collect",
    "compare",
    "equal_gain_constants",
    "evaluate",
    "find_protocol",
    "mean_interval",
    "measurement",
    "palindrome",
    "plot_gains",
    "plot_point_cloud",
    "plot_trajectories",
    "published_values",
    "questions_after",
    "read_results",
    "recall",
    "rule_styles",
    "run_study",
    "score_worlds",
    "trajectory_errors",
    "umeyama",
    "with_controls",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Import what needs torchmetrics, and Lightning with it, when it is first asked for."""
    if name != "SequenceMetric":
        raise AttributeError(f"module 'ttt3r.evaluation' has no attribute {name!r}")
    from ttt3r.evaluation.measures.torchmetrics import SequenceMetric

    return SequenceMetric
