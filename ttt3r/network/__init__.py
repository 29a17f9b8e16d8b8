"""The networks that propose a candidate memory for each frame."""

from ttt3r.network.checkpoint import CheckpointError as CheckpointError
from ttt3r.network.checkpoint import CheckpointWarning as CheckpointWarning
from ttt3r.network.checkpoint import load_network as load_network
from ttt3r.network.checkpoint import save_network as save_network
from ttt3r.network.config import CUT3RConfig as CUT3RConfig
from ttt3r.network.config import DPTConfig as DPTConfig
from ttt3r.network.config import LinearConfig as LinearConfig
from ttt3r.network.config import RayForm as RayForm
from ttt3r.network.config import UNetConfig as UNetConfig
from ttt3r.network.cut3r import CUT3R as CUT3R
from ttt3r.network.official import official_name as official_name
from ttt3r.network.official import official_shapes as official_shapes

__all__ = [
    "CUT3R",
    "CUT3RConfig",
    "CheckpointError",
    "CheckpointWarning",
    "DPTConfig",
    "LinearConfig",
    "RayForm",
    "UNetConfig",
    "load_network",
    "official_name",
    "official_shapes",
    "save_network",
]
