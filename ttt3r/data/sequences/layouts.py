"""The layouts that are known, in the order in which they are tried: a folder belongs to the first that recognises it."""

from ttt3r.data.readers.bonn import BONN
from ttt3r.data.readers.kitti_depth import KITTI_DEPTH
from ttt3r.data.readers.kitti_odometry import KITTI_ODOMETRY
from ttt3r.data.readers.neural_rgbd import NEURAL_RGBD
from ttt3r.data.readers.nyu import NYU
from ttt3r.data.readers.posed_folder import POSED_FOLDER
from ttt3r.data.readers.replica import REPLICA
from ttt3r.data.readers.scannet import SCANNET
from ttt3r.data.readers.seven_scenes import SEVEN_SCENES
from ttt3r.data.readers.sintel import SINTEL
from ttt3r.data.readers.tum import TUM

LAYOUTS = (
    SCANNET,
    BONN,
    TUM,
    SEVEN_SCENES,
    SINTEL,
    KITTI_DEPTH,
    KITTI_ODOMETRY,
    NEURAL_RGBD,
    REPLICA,
    NYU,
    POSED_FOLDER,
)
"""Special ones before general ones."""
