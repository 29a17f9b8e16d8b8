"""The experiment on procedural worlds: errors against length, and what the memory still knows."""

from ttt3r.evaluation.worlds.plots import BINS as BINS
from ttt3r.evaluation.worlds.plots import bin_name as bin_name
from ttt3r.evaluation.worlds.plots import recall_intervals as recall_intervals

__all__ = ["BINS", "bin_name", "recall_intervals"]
