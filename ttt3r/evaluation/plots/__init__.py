"""Pictures of results, in one colour for each rule."""

from ttt3r.evaluation.plots.palette import COLORS as COLORS
from ttt3r.evaluation.plots.palette import FAST_COLORS as FAST_COLORS
from ttt3r.evaluation.plots.palette import rule_styles as rule_styles
from ttt3r.evaluation.plots.plots import plot_gains as plot_gains
from ttt3r.evaluation.plots.plots import plot_point_cloud as plot_point_cloud
from ttt3r.evaluation.plots.plots import plot_trajectories as plot_trajectories

__all__ = ["COLORS", "FAST_COLORS", "plot_gains", "plot_point_cloud", "plot_trajectories", "rule_styles"]
