"""Fast-weight memories: the second family of rules, matrices that learn to answer keys with values. `FAST_WEIGHTS` lists them.

They link language models and memories for 3D: linear attention, the delta rule and what followed are update rules
too, on a matrix instead of state tokens. Nothing here needs a network; `recall` puts each rule to the same test.
"""

from typing import Any

from ttt3r.update_rules.fast_weights.base import FastWeightRule as FastWeightRule
from ttt3r.update_rules.fast_weights.base import FastWeights as FastWeights
from ttt3r.update_rules.fast_weights.base import MatrixRule as MatrixRule
from ttt3r.update_rules.fast_weights.base import store as store
from ttt3r.update_rules.fast_weights.delta import DeltaRule as DeltaRule
from ttt3r.update_rules.fast_weights.delta import GatedDelta as GatedDelta
from ttt3r.update_rules.fast_weights.hebbian import LinearAttention as LinearAttention
from ttt3r.update_rules.fast_weights.lact import LargeChunk as LargeChunk
from ttt3r.update_rules.fast_weights.longhorn import Longhorn as Longhorn
from ttt3r.update_rules.fast_weights.mesa import Mesa as Mesa
from ttt3r.update_rules.fast_weights.recall import Recall as Recall
from ttt3r.update_rules.fast_weights.recall import RecallTask as RecallTask
from ttt3r.update_rules.fast_weights.recall import recall as recall
from ttt3r.update_rules.fast_weights.theory import delta_error as delta_error
from ttt3r.update_rules.fast_weights.theory import hebbian_error as hebbian_error
from ttt3r.update_rules.fast_weights.theory import least_squares_error as least_squares_error
from ttt3r.update_rules.fast_weights.titans import Titans as Titans
from ttt3r.update_rules.fast_weights.ttt_linear import TTTLinear as TTTLinear

FAST_WEIGHTS: dict[str, type[FastWeightRule[Any]]] = {
    "linear attention": LinearAttention,
    "delta rule": DeltaRule,
    "gated delta": GatedDelta,
    "longhorn": Longhorn,
    "mesa": Mesa,
    "ttt-linear": TTTLinear,
    "titans": Titans,
    "lact": LargeChunk,
}
"""The fast-weight rules by name; each can be made without arguments."""

__all__ = [
    "DeltaRule",
    "FAST_WEIGHTS",
    "FastWeightRule",
    "FastWeights",
    "GatedDelta",
    "LargeChunk",
    "LinearAttention",
    "Longhorn",
    "MatrixRule",
    "Mesa",
    "Recall",
    "RecallTask",
    "TTTLinear",
    "Titans",
    "delta_error",
    "hebbian_error",
    "least_squares_error",
    "recall",
    "store",
]
