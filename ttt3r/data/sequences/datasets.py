"""The datasets that can be read, where each comes from, and what of them lies below a folder.

tum = DATASETS["tum"]
for place in tum.sequences("data/tum"):
    clip = tum.open("data/tum", place.name, policy, SELECTIONS["tum/1000"])
"""

from pathlib import Path

import ttt3r.data.sequences.layouts as layouts
from ttt3r.data.checks.findings import Finding
from ttt3r.data.sequences.dataset import Dataset, find_sequences
from ttt3r.data.sequences.layout import Place
from ttt3r.data.sequences.selection import FrameSelection

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "scannet",
            layouts.SCANNET,
            "http://www.scan-net.org",
            "ScanNet Terms of Use: research only, by signed agreement, no redistribution",
            "ask for access, download scene0707_00 to scene0806_00 (.sens), and export colour, depth, poses, intrinsics",
        ),
        Dataset(
            "bonn",
            layouts.BONN,
            "https://www.ipb.uni-bonn.de/data/rgbd-dynamic-dataset/",
            "see the page",
            "download and unpack the sequences rgbd_bonn_*",
        ),
        Dataset(
            "tum",
            layouts.TUM,
            "https://cvg.cit.tum.de/data/datasets/rgbd-dataset",
            "CC BY 4.0",
            "download and unpack the archives of the sequences (.tgz)",
        ),
        Dataset(
            "7scenes",
            layouts.SEVEN_SCENES,
            "https://www.microsoft.com/en-us/research/project/rgb-d-dataset-7-scenes/",
            "Microsoft Research: non-commercial use",
            "unpack the archives of the scenes, and the seq-NN.zip within each",
        ),
        Dataset(
            "sintel",
            layouts.SINTEL,
            "http://sintel.is.tue.mpg.de/depth",
            "images CC BY 3.0, (c) Blender Foundation; see the page for depth and cameras",
            "unpack MPI-Sintel-complete and the depth training data into one folder training/",
        ),
        Dataset(
            "kitti-depth",
            layouts.KITTI_DEPTH,
            "https://www.cvlibs.net/datasets/kitti/eval_depth.php?benchmark=depth_completion",
            "CC BY-NC-SA 3.0",
            "get the annotated depth maps (val/) and the synced raw recordings of its 13 drives (DATE/DRIVE beside val/)",
        ),
        Dataset(
            "kitti-odometry",
            layouts.KITTI_ODOMETRY,
            "https://www.cvlibs.net/datasets/kitti/eval_odometry.php",
            "CC BY-NC-SA 3.0",
            "get the colour images, calibration files and ground-truth poses of the odometry benchmark",
        ),
        Dataset(
            "nrgbd",
            layouts.NEURAL_RGBD,
            "https://github.com/dazinovic/neural-rgbd-surface-reconstruction",
            "see the page",
            "unpack the archive of the scenes",
        ),
        Dataset(
            "replica",
            layouts.REPLICA,
            "https://github.com/cvg/nice-slam",
            "Replica research terms; see the page",
            "unpack the archive of the rendered rooms (room0 to room2, office0 to office4)",
        ),
        Dataset(
            "nyu",
            layouts.NYU,
            "https://cs.nyu.edu/~fergus/datasets/nyu_depth_v2.html",
            "none stated; see the page",
            "get the synchronised colour and depth frames (rgb_*.jpg, sync_depth_*.png), one folder a scene",
        ),
        Dataset(
            "eth3d-slam",
            layouts.ETH3D_SLAM,
            "https://www.eth3d.net/slam_datasets",
            "CC BY-NC-SA 4.0",
            "unpack the archives *_mono.zip, and *_rgbd.zip for depth, of the training sequences into one folder",
        ),
        Dataset(
            "euroc",
            layouts.EUROC,
            "https://projects.asl.ethz.ch/datasets/doku.php?id=kmavvisualinertialdatasets",
            "see the page",
            "unpack the ASL archive of each sequence (.zip, not .bag) into a folder of its name: MH_01_easy/mav0",
        ),
        Dataset(
            "oxford-spires",
            layouts.OXFORD_SPIRES,
            "https://dynamic.robots.ox.ac.uk/datasets/oxford-spires/",
            "CC BY-NC-SA 4.0",
            "get sequences/ (raw/images.zip, unpacked, and processed/trajectory/) and calibration/; or the rectified form",
        ),
        Dataset(
            "vbr",
            layouts.VBR,
            "https://www.rvp-group.net/slam-dataset.html",
            "see the page",
            "`vbr download NAME` and `vbr convert kitti` of the dataset's own kit (pip install vbr-devkit)",
        ),
        Dataset(
            "nerfstudio",
            layouts.NERFSTUDIO,
            "https://docs.nerf.studio",
            "yours",
            "ns-export cameras, and dataparser_transforms.json of the training beside what it writes",
        ),
        Dataset(
            "posed",
            layouts.POSED_FOLDER,
            "docs/how-to/data.md",
            "yours",
            "put images and one of the known files of poses into a folder",
        ),
    )
}
"""By name."""


def recognise(root: str | Path) -> dict[str, tuple[Place, ...]]:
    """The sequences of every known dataset below a folder, by the dataset's name; only those that are there.

    Raises:
        FileNotFoundError: if there is no such folder.
    """
    found: dict[str, list[Place]] = {}
    names = {id(dataset.layout): name for name, dataset in DATASETS.items()}
    for layout, place in find_sequences(root, layouts.LAYOUTS):
        found.setdefault(names[id(layout)], []).append(place)
    return {name: tuple(places) for name, places in found.items()}


def places_of(selection: FrameSelection, root: str | Path) -> tuple[tuple[Place, ...], tuple[Finding, ...]]:
    """The sequences that a selection asks for, as far as they lie below a folder, and a finding for each that does not.

    Raises:
        FileNotFoundError: if there is no such folder.
    """
    dataset = DATASETS[selection.dataset]
    found: dict[str, Place] = {}
    for place in dataset.sequences(root):
        found.setdefault(place.name, place)  # of two copies `Dataset.open` takes the first, too
    if not selection.sequences:
        return tuple(found.values()), ()
    here = tuple(found[name] for name in selection.sequences if name in found)
    return here, tuple(dataset.missing(root, name) for name in selection.sequences if name not in found)
