"""The experiment on procedural worlds: errors against length, and what the memory still knows."""

from ttt3r.evaluation.worlds.forgetting import ask_recall as ask_recall
from ttt3r.evaluation.worlds.forgetting import questions_after as questions_after
from ttt3r.evaluation.worlds.forgetting import with_controls as with_controls
from ttt3r.evaluation.worlds.plots import BINS as BINS
from ttt3r.evaluation.worlds.plots import bin_name as bin_name
from ttt3r.evaluation.worlds.plots import recall_intervals as recall_intervals

__all__ = ["BINS", "ask_recall", "bin_name", "questions_after", "recall_intervals", "with_controls"]
