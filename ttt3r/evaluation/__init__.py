"""Metrics as functions, and the comparison of rules side by side."""

from ttt3r.evaluation.accounting import GainAccount as GainAccount
from ttt3r.evaluation.accounting import GainMoment as GainMoment
from ttt3r.evaluation.accounting import GainSummary as GainSummary
from ttt3r.evaluation.accounting import equal_gain_constants as equal_gain_constants
from ttt3r.evaluation.compare import compare as compare
from ttt3r.evaluation.comparison import Comparison as Comparison
from ttt3r.evaluation.comparison import ComparisonRow as ComparisonRow
from ttt3r.evaluation.contenders import Contender as Contender
from ttt3r.evaluation.depth import DepthAlignment as DepthAlignment
from ttt3r.evaluation.depth import DepthErrors as DepthErrors
from ttt3r.evaluation.depth import LeastSquaresScale as LeastSquaresScale
from ttt3r.evaluation.depth import LeastSquaresScaleShift as LeastSquaresScaleShift
from ttt3r.evaluation.depth import MedianScale as MedianScale
from ttt3r.evaluation.depth import MetricDepth as MetricDepth
from ttt3r.evaluation.depth import depth_errors as depth_errors
from ttt3r.evaluation.evaluator import Evaluation as Evaluation
from ttt3r.evaluation.evaluator import evaluate as evaluate
from ttt3r.evaluation.paper import AgainstPaper as AgainstPaper
from ttt3r.evaluation.paper import PublishedValue as PublishedValue
from ttt3r.evaluation.paper import against_paper as against_paper
from ttt3r.evaluation.paper import published_values as published_values
from ttt3r.evaluation.plots import plot_gains as plot_gains
from ttt3r.evaluation.plots import plot_point_cloud as plot_point_cloud
from ttt3r.evaluation.plots import plot_trajectories as plot_trajectories
from ttt3r.evaluation.protocol import Protocol as Protocol
from ttt3r.evaluation.protocols import PROTOCOLS as PROTOCOLS
from ttt3r.evaluation.protocols import find_protocol as find_protocol
from ttt3r.evaluation.report.aggregate import OfficialMean as OfficialMean
from ttt3r.evaluation.report.aggregate import StrictMean as StrictMean
from ttt3r.evaluation.report.results import collect as collect
from ttt3r.evaluation.report.writing import Report as Report
from ttt3r.evaluation.report.writing import ReportSettings as ReportSettings
from ttt3r.evaluation.report.writing import make_report as make_report
from ttt3r.evaluation.report.writing import write_report as write_report
from ttt3r.evaluation.result_files import read_results as read_results
from ttt3r.evaluation.trajectory import DegenerateTrajectory as DegenerateTrajectory
from ttt3r.evaluation.trajectory import Similarity as Similarity
from ttt3r.evaluation.trajectory import TrajectoryErrors as TrajectoryErrors
from ttt3r.evaluation.trajectory import associate as associate
from ttt3r.evaluation.trajectory import trajectory_errors as trajectory_errors
from ttt3r.evaluation.trajectory import umeyama as umeyama
from ttt3r.evaluation.worlds import RecallScores as RecallScores
from ttt3r.evaluation.worlds import WorldScores as WorldScores
from ttt3r.evaluation.worlds import recall as recall
from ttt3r.evaluation.worlds import score_worlds as score_worlds

__all__ = [
    "AgainstPaper",
    "Comparison",
    "ComparisonRow",
    "Contender",
    "DegenerateTrajectory",
    "DepthAlignment",
    "DepthErrors",
    "Evaluation",
    "GainAccount",
    "GainMoment",
    "GainSummary",
    "LeastSquaresScale",
    "LeastSquaresScaleShift",
    "MedianScale",
    "MetricDepth",
    "OfficialMean",
    "PROTOCOLS",
    "Protocol",
    "PublishedValue",
    "RecallScores",
    "Report",
    "ReportSettings",
    "Similarity",
    "StrictMean",
    "TrajectoryErrors",
    "WorldScores",
    "against_paper",
    "associate",
    "collect",
    "compare",
    "depth_errors",
    "equal_gain_constants",
    "evaluate",
    "find_protocol",
    "make_report",
    "plot_gains",
    "plot_point_cloud",
    "plot_trajectories",
    "published_values",
    "read_results",
    "recall",
    "score_worlds",
    "trajectory_errors",
    "umeyama",
    "write_report",
]
