"""Any folder of images with poses that no other layout claims.

The first of these that is there tells the poses:

    transforms.json                       NeRF, instant-ngp, nerfstudio                 (OpenGL camera to world)
    sparse/0/images.txt, cameras.txt      a COLMAP text model; also in sparse/, colmap/ or the folder itself
    groundtruth.txt, trajectory.txt, poses.txt, pose.txt or traj.txt
                                          8 numbers a row: time tx ty tz qx qy qz qw    (TUM; by the times that name the images,
                                          else by rank); 12 or 16 numbers a row: 3x4 or 4x4 camera to world, by rank

Images lie in `images/`, `rgb/`, `color/` or the folder itself, in natural order; depth maps of the same names (16 bit,
millimetres) in `depth/` or `depths/`. `camera-intrinsics.txt` (3x3) wins over other intrinsics. All poses but those of
`transforms.json` and COLMAP are camera to world with OpenCV axes; a unit other than metres cannot be seen from here.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ttt3r.data import colmap_text, transforms_json
from ttt3r.data.depth import DepthFiles
from ttt3r.data.files import ImageFiles, natural_order
from ttt3r.data.findings import Finding, Problem, Severity, unreadable
from ttt3r.data.images import IMAGE_SUFFIXES
from ttt3r.data.layout import Layout, image_files, named_after_folder
from ttt3r.data.pairing import ByNumber, ByTime, Pairing
from ttt3r.data.poses import (
    camera_to_world,
    check_quaternions,
    read_intrinsics,
    read_matrix_rows,
    read_numbers,
    read_trajectory_rows,
)
from ttt3r.data.recording import Files, Poses, Recording

IMAGE_FOLDERS = ("images", "rgb", "color", "")
TRAJECTORIES = ("groundtruth.txt", "trajectory.txt", "poses.txt", "pose.txt", "traj.txt")
_DEPTH_FOLDERS = ("depth", "depths")


def recognises(folder: Path) -> bool:
    """Whether there are poses of a known name, and images."""
    has_poses = (
        (folder / transforms_json.FILE).is_file()
        or any((folder / name).is_file() for name in TRAJECTORIES)
        or colmap_text.find_model(folder) is not None
    )
    return has_poses and len(_images_of(folder)) > 0


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != "."]
    return natural_order(found)


def _images_of(folder: Path) -> Files:
    """The images in natural order, stamped by their places."""
    paths = next((found for name in IMAGE_FOLDERS if (found := _pictures(folder / name))), [])
    return Files(tuple(paths), np.arange(len(paths), dtype=np.float64))


def read(folder: Path) -> Recording:
    """All images of a folder with the poses that are there; see the head of this file.

    Raises:
        ValueError: if `transforms.json`, the COLMAP model or `camera-intrinsics.txt` is malformed.
    """
    identity = named_after_folder(folder)
    empty = Recording(identity.sequence, identity.scene, _images_of(folder), partial(DepthFiles, per_metre=1000.0))
    model, K = colmap_text.find_model(folder), read_intrinsics(folder)
    if (folder / transforms_json.FILE).is_file():
        path = folder / transforms_json.FILE
        images, depths, poses, findings = transforms_json.read_frames(path)
        K = transforms_json.read_camera(path) if K is None else K
        depths = depths if len(depths) else _depths(folder, images)
    elif model is not None:
        root = next((folder / name for name in IMAGE_FOLDERS if _pictures(folder / name)), folder)
        images, poses, findings = colmap_text.read_frames(model, root)
        camera, notes = colmap_text.read_camera(model)
        K, findings, depths = camera if K is None else K, [*findings, *notes], _depths(folder, images)
    else:
        images = empty.images
        return replace(_by_trajectory(folder, empty), intrinsics=K)
    return replace(
        empty, images=images, poses=poses, depths=depths, intrinsics=K, findings=(*empty.findings, *findings)
    )


def _depths(folder: Path, images: Files) -> Files:
    """The depth maps that are called like the images."""
    place = {path.stem: path for name in _DEPTH_FOLDERS for path in _pictures(folder / name)}
    here = [i for i, image in enumerate(images.paths) if image.stem in place]
    return Files(tuple(place[images.paths[i].stem] for i in here), images.stamps[here])


def _by_trajectory(folder: Path, empty: Recording) -> Recording:
    images = empty.images
    path = next((folder / name for name in TRAJECTORIES if (folder / name).is_file()), None)
    if path is None:
        gone = FileNotFoundError(f"{folder} has no file of poses; it needs {POSED_FOLDER.needs}")
        return replace(empty, depths=_depths(folder, images), findings=(unreadable(str(folder), gone),))
    try:
        if read_numbers(path).shape[1] != 8:
            matrices = read_matrix_rows(path)
            return _by_rank(path, matrices, empty, _depths(folder, images))
        rows = read_trajectory_rows(path)
        matrices = camera_to_world(rows[:, 1:])
        empty = replace(empty, findings=tuple(check_quaternions(rows[:, 1:], str(path))))
    except ValueError as error:
        return replace(empty, depths=_depths(folder, images), findings=(unreadable(str(path), error),))
    timed, pairing = _timed(images, rows[:, 0])
    if pairing is None:
        return _by_rank(path, matrices, empty, _depths(folder, images))
    return replace(
        empty, images=timed, poses=Poses(matrices, rows[:, 0]), depths=_depths(folder, timed), pairing=pairing
    )


def _timed(images: Files, times: np.ndarray) -> tuple[Files, Pairing | None]:
    """The images stamped by the numbers in their names, if these are on the clock of the trajectory."""
    try:
        stamps = np.array([float(path.stem) for path in images.paths])
    except ValueError:
        return images, None
    whole = bool((stamps == np.round(stamps)).all() and (times == np.round(times)).all())
    pairing = ByNumber() if whole else ByTime()
    pairs = len(pairing.pairs(stamps, times))
    counted_otherwise = whole and pairs < len(images) == len(times)  # from 0 on one side and from 1 on the other, say
    if not pairs or counted_otherwise:
        return images, None
    order = np.argsort(stamps, kind="stable")
    return Files(tuple(images.paths[i] for i in order), stamps[order]), pairing


def _by_rank(path: Path, matrices: np.ndarray, empty: Recording, depths: Files) -> Recording:
    """The first pose to the first image; a finding where their numbers differ."""
    count = min(len(matrices), len(empty.images))
    poses = Poses(matrices[:count], empty.images.stamps[:count])
    found = []
    if len(matrices) != len(empty.images):
        detail = (
            f"{path} has {len(matrices)} poses for {len(empty.images)} images, and the names do not tell which is whose"
        )
        cure = "they are taken one after the other: name the images by the times of the poses"
        found = [Finding(Problem.MISSING_POSES, str(path), Severity.WARNING, detail, cure)]
    return replace(empty, poses=poses, depths=depths, findings=(*empty.findings, *found))


def images(folder: Path) -> ImageFiles:
    """The images of the folder in natural order; timestamps are their places."""
    return image_files(folder, _images_of(folder))


POSED_FOLDER = Layout(
    name="folder with poses",
    needs="images and one of transforms.json, a COLMAP text model, groundtruth.txt, trajectory.txt, poses.txt",
    recognises=recognises,
    identify=named_after_folder,
    read=read,
    images=images,
)
"""Images, and poses in one of the usual forms."""
