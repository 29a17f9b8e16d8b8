"""ttt3r: recurrent 3D memory with plug-in state update rules.

    import ttt3r
    model = ttt3r.Reconstructor(ttt3r.load_network("cut3r.pth"), ttt3r.update_rules.TTT3R())
    for step in ttt3r.rollout(model, frames):
        step.reconstruction, step.memory, step.gain

What evaluates, draws or runs whole jobs is imported at first use, so that this import loads PyTorch only.
Set `TTT3R_TYPECHECK=1` before the import to check every tensor's dtype and axes at run time.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if os.environ.get("TTT3R_TYPECHECK") == "1":
    # Must come before any submodule is loaded: the hook decorates modules as they are imported.
    from jaxtyping import install_import_hook

    # The numeric tower lets an int stand for a float, as Python itself does: ConstantRate(rate=1).
    install_import_hook("ttt3r", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

from ttt3r import data as data
from ttt3r import export as export
from ttt3r import geometry as geometry
from ttt3r import network as network
from ttt3r import tree as tree
from ttt3r import update_rules as update_rules
from ttt3r._version import __version__ as __version__
from ttt3r.guard import BadStep as BadStep
from ttt3r.guard import ChunkTooLarge as ChunkTooLarge
from ttt3r.network import CUT3R as CUT3R
from ttt3r.network import CUT3RConfig as CUT3RConfig
from ttt3r.network import load_network as load_network
from ttt3r.network import save_network as save_network
from ttt3r.reconstructor import Reconstructor as Reconstructor
from ttt3r.reconstructor import RecurrentNetwork as RecurrentNetwork
from ttt3r.rollout import rollout as rollout
from ttt3r.rollout import rollout_rules as rollout_rules
from ttt3r.types import Frame as Frame
from ttt3r.types import Memory as Memory
from ttt3r.types import Needs as Needs
from ttt3r.types import Outputs as Outputs
from ttt3r.types import Reconstruction as Reconstruction
from ttt3r.types import RuleState as RuleState
from ttt3r.types import Step as Step
from ttt3r.update_rules import check_rule as check_rule

if TYPE_CHECKING:
    from ttt3r import evaluation as evaluation
    from ttt3r import runner as runner
    from ttt3r import training as training
    from ttt3r import viewer as viewer
    from ttt3r.evaluation import compare as compare

_LATER = {
    "evaluation": ("ttt3r.evaluation", None),
    "runner": ("ttt3r.runner", None),
    "training": ("ttt3r.training", None),
    "viewer": ("ttt3r.viewer", None),
    "compare": ("ttt3r.evaluation", "compare"),
}
"""Names that are imported at first use: (module, name in it)."""

__all__ = [
    "CUT3R",
    "BadStep",
    "CUT3RConfig",
    "ChunkTooLarge",
    "Frame",
    "Memory",
    "Needs",
    "Outputs",
    "Reconstruction",
    "Reconstructor",
    "RecurrentNetwork",
    "RuleState",
    "Step",
    "check_rule",
    "compare",
    "data",
    "evaluation",
    "export",
    "geometry",
    "load_network",
    "network",
    "rollout",
    "rollout_rules",
    "runner",
    "save_network",
    "training",
    "tree",
    "update_rules",
    "viewer",
]


def __getattr__(name: str) -> Any:
    """Import a name of the upper levels when it is first used."""
    if name not in _LATER:
        raise AttributeError(f"module 'ttt3r' has no attribute {name!r}")
    module, member = _LATER[name]
    found = importlib.import_module(module)
    return found if member is None else getattr(found, member)
