"""Files that other programs read: trajectories, depth maps, point clouds, COLMAP models."""

from ttt3r.export.colmap import ColmapView as ColmapView
from ttt3r.export.colmap import write_colmap as write_colmap
from ttt3r.export.depth import read_depth as read_depth
from ttt3r.export.depth import write_depth as write_depth
from ttt3r.export.intrinsics import IntrinsicsWriter as IntrinsicsWriter
from ttt3r.export.intrinsics import Pinhole as Pinhole
from ttt3r.export.intrinsics import read_intrinsics as read_intrinsics
from ttt3r.export.point_files import write_glb as write_glb
from ttt3r.export.point_files import write_ply as write_ply
from ttt3r.export.points import PointCloud as PointCloud
from ttt3r.export.points import PointSelection as PointSelection
from ttt3r.export.run_folder import FrameRecord as FrameRecord
from ttt3r.export.run_folder import RunFolder as RunFolder
from ttt3r.export.run_record import RunRecord as RunRecord
from ttt3r.export.run_record import RunStatus as RunStatus
from ttt3r.export.saved_run import SavedRun as SavedRun
from ttt3r.export.saved_run import find_runs as find_runs
from ttt3r.export.token_gains import TokenGains as TokenGains
from ttt3r.export.trajectory import TrajectoryWriter as TrajectoryWriter
from ttt3r.export.trajectory import read_trajectory as read_trajectory

__all__ = [
    "ColmapView",
    "FrameRecord",
    "IntrinsicsWriter",
    "Pinhole",
    "PointCloud",
    "PointSelection",
    "RunFolder",
    "RunRecord",
    "RunStatus",
    "SavedRun",
    "TokenGains",
    "TrajectoryWriter",
    "find_runs",
    "read_depth",
    "read_intrinsics",
    "read_trajectory",
    "write_colmap",
    "write_depth",
    "write_glb",
    "write_ply",
]
