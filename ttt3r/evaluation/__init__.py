"""Metrics as functions, and the comparison of rules side by side."""

from ttt3r.evaluation.engine.compare import compare as compare
from ttt3r.evaluation.engine.comparison import Comparison as Comparison
from ttt3r.evaluation.engine.comparison import ComparisonRow as ComparisonRow
from ttt3r.evaluation.engine.contenders import Contender as Contender
from ttt3r.evaluation.engine.evaluator import Evaluation as Evaluation
from ttt3r.evaluation.engine.evaluator import evaluate as evaluate
from ttt3r.evaluation.measures.base import Measure as Measure
from ttt3r.evaluation.measures.base import Measured as Measured
from ttt3r.evaluation.measures.base import Measurement as Measurement
from ttt3r.evaluation.measures.cost import CostMeter as CostMeter
from ttt3r.evaluation.measures.cost import CostSummary as CostSummary
from ttt3r.evaluation.measures.depth import OfficialDepth as OfficialDepth
from ttt3r.evaluation.measures.depth import StrictDepth as StrictDepth
from ttt3r.evaluation.measures.gains import FrameGain as FrameGain
from ttt3r.evaluation.measures.gains import GainAccount as GainAccount
from ttt3r.evaluation.measures.gains import GainSummary as GainSummary
from ttt3r.evaluation.measures.gains import equal_gain_constants as equal_gain_constants
from ttt3r.evaluation.measures.metric import Metric as Metric
from ttt3r.evaluation.measures.points import OfficialPoints as OfficialPoints
from ttt3r.evaluation.measures.points import StrictPoints as StrictPoints
from ttt3r.evaluation.measures.trajectory import Cameras as Cameras
from ttt3r.evaluation.measures.trajectory import StrictTrajectory as StrictTrajectory
from ttt3r.evaluation.measures.trajectory_official import OfficialTrajectory as OfficialTrajectory
from ttt3r.evaluation.metrics.depth.drift import ScaleDrift as ScaleDrift
from ttt3r.evaluation.metrics.depth.drift import scale_drift as scale_drift
from ttt3r.evaluation.metrics.depth.errors import DepthAlignment as DepthAlignment
from ttt3r.evaluation.metrics.depth.errors import DepthErrors as DepthErrors
from ttt3r.evaluation.metrics.depth.errors import L1Scale as L1Scale
from ttt3r.evaluation.metrics.depth.errors import L1ScaleShift as L1ScaleShift
from ttt3r.evaluation.metrics.depth.errors import LeastSquaresScale as LeastSquaresScale
from ttt3r.evaluation.metrics.depth.errors import LeastSquaresScaleShift as LeastSquaresScaleShift
from ttt3r.evaluation.metrics.depth.errors import MedianScale as MedianScale
from ttt3r.evaluation.metrics.depth.errors import MetricDepth as MetricDepth
from ttt3r.evaluation.metrics.depth.errors import depth_errors as depth_errors
from ttt3r.evaluation.metrics.depth.errors import pixel_errors as pixel_errors
from ttt3r.evaluation.metrics.depth.errors import pooled_errors as pooled_errors
from ttt3r.evaluation.metrics.depth.errors import range_errors as range_errors
from ttt3r.evaluation.metrics.depth.official import OfficialMetric as OfficialMetric
from ttt3r.evaluation.metrics.depth.official import OfficialScale as OfficialScale
from ttt3r.evaluation.metrics.depth.official import OfficialScaleShift as OfficialScaleShift
from ttt3r.evaluation.metrics.depth.official import official_average as official_average
from ttt3r.evaluation.metrics.depth.official import official_depth_errors as official_depth_errors
from ttt3r.evaluation.metrics.depth.pixels import DepthPixels as DepthPixels
from ttt3r.evaluation.metrics.depth.pixels import DepthSpool as DepthSpool
from ttt3r.evaluation.metrics.intervals import Interval as Interval
from ttt3r.evaluation.metrics.intervals import mean_interval as mean_interval
from ttt3r.evaluation.metrics.points.alignment import ClosestPointsAlignment as ClosestPointsAlignment
from ttt3r.evaluation.metrics.points.alignment import FirstCameraPoints as FirstCameraPoints
from ttt3r.evaluation.metrics.points.alignment import PointAlignment as PointAlignment
from ttt3r.evaluation.metrics.points.alignment import UmeyamaPoints as UmeyamaPoints
from ttt3r.evaluation.metrics.points.alignment import iterated_closest_points as iterated_closest_points
from ttt3r.evaluation.metrics.points.errors import Cloud as Cloud
from ttt3r.evaluation.metrics.points.errors import PointErrors as PointErrors
from ttt3r.evaluation.metrics.points.errors import SceneViews as SceneViews
from ttt3r.evaluation.metrics.points.errors import point_errors as point_errors
from ttt3r.evaluation.metrics.points.normals import estimated_normals as estimated_normals
from ttt3r.evaluation.metrics.points.normals import thinned as thinned
from ttt3r.evaluation.metrics.points.official import official_scene_errors as official_scene_errors
from ttt3r.evaluation.metrics.trajectory.errors import DegenerateTrajectory as DegenerateTrajectory
from ttt3r.evaluation.metrics.trajectory.errors import ErrorStatistics as ErrorStatistics
from ttt3r.evaluation.metrics.trajectory.errors import Similarity as Similarity
from ttt3r.evaluation.metrics.trajectory.errors import TrajectoryErrors as TrajectoryErrors
from ttt3r.evaluation.metrics.trajectory.errors import absolute_errors as absolute_errors
from ttt3r.evaluation.metrics.trajectory.errors import associate as associate
from ttt3r.evaluation.metrics.trajectory.errors import last_window_error as last_window_error
from ttt3r.evaluation.metrics.trajectory.errors import path_length as path_length
from ttt3r.evaluation.metrics.trajectory.errors import trajectory_errors as trajectory_errors
from ttt3r.evaluation.metrics.trajectory.errors import umeyama as umeyama
from ttt3r.evaluation.metrics.trajectory.official import official_trajectory_report as official_trajectory_report
from ttt3r.evaluation.metrics.trajectory.official import read_official_folder as read_official_folder
from ttt3r.evaluation.metrics.trajectory.relative import RelativeErrors as RelativeErrors
from ttt3r.evaluation.metrics.trajectory.relative import SegmentErrors as SegmentErrors
from ttt3r.evaluation.metrics.trajectory.relative import frame_pairs as frame_pairs
from ttt3r.evaluation.metrics.trajectory.relative import relative_errors as relative_errors
from ttt3r.evaluation.metrics.trajectory.relative import rotation_auc as rotation_auc
from ttt3r.evaluation.metrics.trajectory.relative import segment_errors as segment_errors
from ttt3r.evaluation.metrics.trajectory.similarity import FirstCameraAlignment as FirstCameraAlignment
from ttt3r.evaluation.metrics.trajectory.similarity import NoAlignment as NoAlignment
from ttt3r.evaluation.metrics.trajectory.similarity import NotFinite as NotFinite
from ttt3r.evaluation.metrics.trajectory.similarity import ScaleAlignment as ScaleAlignment
from ttt3r.evaluation.metrics.trajectory.similarity import SE3Alignment as SE3Alignment
from ttt3r.evaluation.metrics.trajectory.similarity import Sim3Alignment as Sim3Alignment
from ttt3r.evaluation.metrics.trajectory.similarity import TrajectoryAlignment as TrajectoryAlignment
from ttt3r.evaluation.plots.plots import plot_gains as plot_gains
from ttt3r.evaluation.plots.plots import plot_point_cloud as plot_point_cloud
from ttt3r.evaluation.plots.plots import plot_trajectories as plot_trajectories
from ttt3r.evaluation.protocols.base import Protocol as Protocol
from ttt3r.evaluation.protocols.paper import AgainstPaper as AgainstPaper
from ttt3r.evaluation.protocols.paper import PublishedValue as PublishedValue
from ttt3r.evaluation.protocols.paper import against_paper as against_paper
from ttt3r.evaluation.protocols.paper import published_values as published_values
from ttt3r.evaluation.protocols.table import PROTOCOLS as PROTOCOLS
from ttt3r.evaluation.protocols.table import find_protocol as find_protocol
from ttt3r.evaluation.report.aggregate import OfficialMean as OfficialMean
from ttt3r.evaluation.report.aggregate import StrictMean as StrictMean
from ttt3r.evaluation.report.results import collect as collect
from ttt3r.evaluation.report.writing import Report as Report
from ttt3r.evaluation.report.writing import ReportSettings as ReportSettings
from ttt3r.evaluation.report.writing import make_report as make_report
from ttt3r.evaluation.report.writing import write_report as write_report
from ttt3r.evaluation.results.files import read_results as read_results
from ttt3r.evaluation.worlds.forgetting import RecallScores as RecallScores
from ttt3r.evaluation.worlds.forgetting import ask_recall as ask_recall
from ttt3r.evaluation.worlds.running import WorldScores as WorldScores
from ttt3r.evaluation.worlds.running import score_worlds as score_worlds
from ttt3r.evaluation.worlds.study import WorldPlan as WorldPlan
from ttt3r.evaluation.worlds.study import WorldStudy as WorldStudy
from ttt3r.evaluation.worlds.study import run_study as run_study

# The names that these had before; kept for code that was written then.
GainMoment = FrameGain
recall = ask_recall

__all__ = [
    "PROTOCOLS",
    "AgainstPaper",
    "Cameras",
    "ClosestPointsAlignment",
    "Cloud",
    "Comparison",
    "ComparisonRow",
    "Contender",
    "CostMeter",
    "CostSummary",
    "DegenerateTrajectory",
    "DepthAlignment",
    "DepthErrors",
    "DepthPixels",
    "DepthSpool",
    "ErrorStatistics",
    "Evaluation",
    "FirstCameraAlignment",
    "FirstCameraPoints",
    "FrameGain",
    "GainAccount",
    "GainMoment",
    "GainSummary",
    "Interval",
    "L1Scale",
    "L1ScaleShift",
    "LeastSquaresScale",
    "LeastSquaresScaleShift",
    "Measure",
    "Measured",
    "Measurement",
    "MedianScale",
    "Metric",
    "MetricDepth",
    "NoAlignment",
    "NotFinite",
    "OfficialDepth",
    "OfficialMean",
    "OfficialMetric",
    "OfficialPoints",
    "OfficialScale",
    "OfficialScaleShift",
    "OfficialTrajectory",
    "PointAlignment",
    "PointErrors",
    "Protocol",
    "PublishedValue",
    "RecallScores",
    "RelativeErrors",
    "Report",
    "ReportSettings",
    "SE3Alignment",
    "ScaleAlignment",
    "ScaleDrift",
    "SceneViews",
    "SegmentErrors",
    "Sim3Alignment",
    "Similarity",
    "StrictDepth",
    "StrictMean",
    "StrictPoints",
    "StrictTrajectory",
    "TrajectoryAlignment",
    "TrajectoryErrors",
    "UmeyamaPoints",
    "WorldPlan",
    "WorldScores",
    "WorldStudy",
    "absolute_errors",
    "against_paper",
    "ask_recall",
    "associate",
    "collect",
    "compare",
    "depth_errors",
    "equal_gain_constants",
    "estimated_normals",
    "evaluate",
    "find_protocol",
    "frame_pairs",
    "iterated_closest_points",
    "last_window_error",
    "make_report",
    "mean_interval",
    "official_average",
    "official_depth_errors",
    "official_scene_errors",
    "official_trajectory_report",
    "path_length",
    "pixel_errors",
    "plot_gains",
    "plot_point_cloud",
    "plot_trajectories",
    "point_errors",
    "pooled_errors",
    "published_values",
    "range_errors",
    "read_official_folder",
    "read_results",
    "recall",
    "relative_errors",
    "rotation_auc",
    "run_study",
    "scale_drift",
    "score_worlds",
    "segment_errors",
    "thinned",
    "trajectory_errors",
    "umeyama",
    "write_report",
]
