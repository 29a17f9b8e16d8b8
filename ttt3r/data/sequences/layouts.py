"""The layouts that are known, in the order in which they are tried: a folder belongs to the first that recognises it."""

from ttt3r.data.readers.bonn import BONN
from ttt3r.data.readers.eth3d_slam import ETH3D_SLAM
from ttt3r.data.readers.euroc import EUROC
from ttt3r.data.readers.kitti_depth import KITTI_DEPTH
from ttt3r.data.readers.kitti_odometry import KITTI_ODOMETRY
from ttt3r.data.readers.nerfstudio import NERFSTUDIO
from ttt3r.data.readers.neural_rgbd import NEURAL_RGBD
from ttt3r.data.readers.nyu import NYU
from ttt3r.data.readers.oxford_spires import OXFORD_SPIRES
from ttt3r.data.readers.posed_folder import POSED_FOLDER
from ttt3r.data.readers.replica import REPLICA
from ttt3r.data.readers.scannet import SCANNET
from ttt3r.data.readers.seven_scenes import SEVEN_SCENES
from ttt3r.data.readers.sintel import SINTEL
from ttt3r.data.readers.tum import TUM
from ttt3r.data.readers.vbr import VBR

LAYOUTS = (
    SCANNET,
    BONN,
    ETH3D_SLAM,
    TUM,
    SEVEN_SCENES,
    SINTEL,
    KITTI_DEPTH,
    KITTI_ODOMETRY,
    NEURAL_RGBD,
    REPLICA,
    NYU,
    EUROC,
    OXFORD_SPIRES,
    VBR,
    NERFSTUDIO,
    POSED_FOLDER,
)
"""Special ones before general ones."""
