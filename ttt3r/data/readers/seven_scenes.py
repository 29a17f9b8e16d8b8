"""The layout of the 7-Scenes benchmark: per frame an image, a depth map and a camera matrix.

    frame-000000.color.png (or .jpg)
    frame-000000.depth.png         16 bit, millimetres; 0 and 65535 where nothing was measured   (optional)
    frame-000000.depth.proj.png    the same, moved into the colour camera by others' tools       (optional)
    frame-000000.pose.txt          4x4 camera to world, metres

Depth comes from the Kinect's own camera (f = 585) and is not registered to the colours: edges are some pixels off. Where
`depth.proj.png` is there, it is taken, with the camera of the colours (f = 525), as the published evaluations do.
See https://www.microsoft.com/en-us/research/project/rgb-d-dataset-7-scenes/
"""

import re
from functools import partial
from pathlib import Path

from ttt3r.data.checks.findings import Finding, Problem, Severity
from ttt3r.data.frames.files import ImageFiles
from ttt3r.data.sequences.depth import DepthFiles
from ttt3r.data.sequences.layout import Identity, Layout, holds, image_files, numbered, pose_files
from ttt3r.data.sequences.poses import pinhole, read_camera_matrix
from ttt3r.data.sequences.recording import Files, Recording

_RATE = 30.0  # frames per second of the Kinect; the benchmark gives no times
_DEPTH_CAMERA = pinhole(585, 585, 320, 240)
_COLOR_CAMERA = pinhole(525, 525, 320, 240)
_COLOR = re.compile(r"frame-(\d+)\.color\.(?:png|jpg)")
_DEPTH = re.compile(r"frame-(\d+)\.depth\.png")
_PROJECTED = re.compile(r"frame-(\d+)\.depth\.proj\.png")
_POSE = re.compile(r"frame-(\d+)\.pose\.txt")


def recognises(folder: Path) -> bool:
    """Whether the folder holds poses of frames."""
    return holds(folder, _POSE)


def identify(folder: Path) -> Identity:
    """`chess/seq-03` shows `chess`; a folder that is not called `seq-NN` is a scene of its own."""
    place = folder.resolve()
    if place.name.startswith("seq-"):
        return Identity(f"{place.parent.name}/{place.name}", place.parent.name)
    return Identity(place.name, place.name)


def read(folder: Path) -> Recording:
    """The colour images of a sequence folder with their poses and depths. Timestamps are frame numbers / 30 Hz.

    Raises:
        ValueError: if `camera-intrinsics.txt` is there and no 3x3 matrix.
    """
    colors, listed = numbered(folder, _COLOR), numbered(folder, _POSE)
    poses, findings = pose_files(listed)
    findings += _without_image(colors, listed)
    projected = numbered(folder, _PROJECTED)
    K = read_camera_matrix(folder)
    if K is None:
        K = _COLOR_CAMERA if len(projected) else _DEPTH_CAMERA
    identity = identify(folder)
    return Recording(
        identity.sequence,
        identity.scene,
        colors,
        partial(DepthFiles, per_metre=1000.0, invalid=(65535,)),
        poses,
        projected if len(projected) else numbered(folder, _DEPTH),
        rate=_RATE,
        intrinsics=K,
        findings=tuple(findings),
    )


def _without_image(colors: Files, poses: Files) -> list[Finding]:
    here = set(colors.stamps.tolist())
    alone = [path for path, number in zip(poses.paths, poses.stamps, strict=True) if float(number) not in here]
    if not alone:
        return []
    image = alone[0].name.replace(".pose.txt", ".color.png")
    detail = f"{len(alone)} poses have no image: no image {image} beside {alone[0]}"
    return [Finding(Problem.MISSING_FILE, str(alone[0]), Severity.ERROR, detail, "copy the images again")]


def images(folder: Path) -> ImageFiles:
    """The colour images of a sequence, without the depth maps beside them; timestamps are frame numbers / 30 Hz.

    Raises:
        FileNotFoundError: if there is no colour image.
    """
    return image_files(folder, numbered(folder, _COLOR), _RATE)


SEVEN_SCENES = Layout(
    name="7-Scenes",
    needs="frame-NNNNNN.pose.txt and frame-NNNNNN.color.png or .jpg for each frame, and .depth.png if there is depth",
    recognises=recognises,
    identify=identify,
    read=read,
    images=images,
)
"""`frame-NNNNNN.color.png`, `.depth.png`, `.pose.txt`."""
