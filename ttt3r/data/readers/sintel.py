"""The layout of MPI Sintel: rendered film, with cameras and depth in packages of their own.

    training/final/alley_2/frame_0001.png          1024 x 436      (and training/clean/)
    training/camdata_left/alley_2/frame_0001.cam   K and world to camera
    training/depth/alley_2/frame_0001.dpt          float32; the unit is the film's, not a real metre

See http://sintel.is.tue.mpg.de/depth
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ttt3r.data.checks.findings import Finding, Problem, Severity, unreadable
from ttt3r.data.frames.files import ImageFiles
from ttt3r.data.sequences.camera_matrices import common_matrix
from ttt3r.data.sequences.depth import DptFiles
from ttt3r.data.sequences.layout import Identity, Layout, holds, image_files, numbered
from ttt3r.data.sequences.pairing import ByNumber
from ttt3r.data.sequences.poses import read_cam
from ttt3r.data.sequences.recording import Poses, Recording

_RATE = 24.0  # frames per second of the film
_SAME = 1e-6  # pixels by which matrices of one camera may differ
_IMAGE = re.compile(r"frame_(\d+)\.png")
_CAMERA = re.compile(r"frame_(\d+)\.cam")
_DEPTH = re.compile(r"frame_(\d+)\.dpt")


def recognises(folder: Path) -> bool:
    """Whether it is a folder `final/NAME` or `clean/NAME` with images `frame_NNNN.png`."""
    return folder.resolve().parent.name in ("final", "clean") and holds(folder, _IMAGE)


def identify(folder: Path) -> Identity:
    """`alley_2` of the final pass is called so, of the clean pass `clean/alley_2`; both show `alley_2`."""
    place = folder.resolve()
    return Identity(place.name if place.parent.name == "final" else f"clean/{place.name}", place.name)


def read(folder: Path) -> Recording:
    """The images of a sequence of one pass, with the cameras and depths of `camdata_left/` and `depth/`."""
    place = folder.resolve()
    training = place.parent.parent
    cameras, images = training / "camdata_left" / place.name, numbered(folder, _IMAGE)
    poses, matrices, findings = _cameras(cameras)
    K, own = None, {}
    if matrices is not None:
        K = common_matrix(matrices)[0]
    if matrices is not None and np.ptp(matrices, axis=0).max() > _SAME:
        findings += _zoomed(matrices, cameras)
        own = {images.paths[i]: matrices[j] for i, j in ByNumber().pairs(images.stamps, poses.stamps)}
    depths = numbered(training / "depth" / place.name, _DEPTH)
    if not len(depths):
        findings.append(_package(Problem.MISSING_DEPTH, training / "depth" / place.name))
    identity = identify(folder)
    return Recording(
        identity.sequence,
        identity.scene,
        images,
        DptFiles,
        poses,
        depths,
        rate=_RATE,
        intrinsics=K,
        plausible_depth=(0.05, np.inf),
        findings=tuple(findings),
        own_intrinsics=own,
    )


def _cameras(folder: Path) -> tuple[Poses, Float[np.ndarray, "camera 3 3"] | None, list[Finding]]:
    """Poses and camera matrices by the numbers of their frames."""
    files = numbered(folder, _CAMERA)
    if not len(files):
        return Poses(), None, [_package(Problem.MISSING_POSES, folder)]
    cameras, stamps, findings = [], [], []
    for path, stamp in zip(files.paths, files.stamps, strict=True):
        try:
            cameras.append(read_cam(path))
            stamps.append(stamp)
        except (OSError, ValueError) as error:
            findings.append(unreadable(str(path), error))
    if not cameras:
        return Poses(), None, findings
    return (
        Poses(np.stack([camera for _, camera in cameras]), np.array(stamps)),
        np.stack([K for K, _ in cameras]),
        findings,
    )


def _zoomed(matrices: Float[np.ndarray, "camera 3 3"], folder: Path) -> list[Finding]:
    detail = f"the focal length of {folder} changes from {matrices[0, 0, 0]:.1f} to {matrices[-1, 0, 0]:.1f} pixels"
    cure = "each frame keeps its own intrinsics"
    return [Finding(Problem.CAMERA_MODEL, str(folder), Severity.NOTE, detail, cure)]


def _package(what: Problem, folder: Path) -> Finding:
    detail = f"{folder} is missing or empty"
    return Finding(
        what, str(folder), Severity.WARNING, detail, "unpack the depth training data of MPI Sintel beside final/"
    )


def _beside(folder: Path) -> tuple[Path, ...]:
    place = folder.resolve()
    return tuple(place.parent.parent / kind / place.name for kind in ("camdata_left", "depth"))


def images(folder: Path) -> ImageFiles:
    """The images in the order of their numbers; timestamps are numbers / 24 Hz."""
    return image_files(folder, numbered(folder, _IMAGE), _RATE)


SINTEL = Layout(
    name="MPI Sintel",
    needs="training/final/NAME/frame_NNNN.png (or clean/), training/camdata_left/ and training/depth/",
    recognises=recognises,
    identify=identify,
    read=read,
    images=images,
    beside=_beside,
)
"""`final/NAME/frame_NNNN.png`, `camdata_left/NAME/frame_NNNN.cam`, `depth/NAME/frame_NNNN.dpt`."""
