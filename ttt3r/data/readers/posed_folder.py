"""Any folder of images with poses that no other layout claims.

The first of these that is there gives the poses:

    transforms.json                       NeRF, instant-ngp, nerfstudio                 (OpenGL camera to world)
                                          else transforms_train.json, _val and _test together
    sparse/0/images, cameras              a COLMAP model, .bin or .txt, the largest of several; also in sparse/, colmap/,
                                          dense/sparse/ or the folder itself
    groundtruth.txt, trajectory.txt, poses.txt, pose.txt or traj.txt
                                          8 numbers a row: time tx ty tz qx qy qz qw    (TUM; by the times that name the images,
                                          else by rank); 12 or 16 numbers a row: 3x4 or 4x4 camera to world, by rank

Images lie in `images/`, `rgb/`, `color/` or the folder itself (those of a model also in folders below), in natural order; depth
maps of the same names (16 bit, millimetres, or `.npy` of floats, metres) in `depth/` or `depths/`. Images that are not listed
by `transforms.json` or the model have no pose, and a finding counts them. Pixels are read as they are stored, whatever EXIF
data say: poses, cameras and depth maps are of those. `camera-intrinsics.txt` (3x3) wins over other intrinsics. All poses but
those of `transforms.json` and COLMAP are camera to world with OpenCV axes; a unit other than metres cannot be seen from here.
"""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

import ttt3r.data.readers.colmap_model as colmap_model
import ttt3r.data.readers.transforms_json as transforms_json
from ttt3r.data.checks.findings import Finding, Problem, Severity, unreadable
from ttt3r.data.frames.files import ImageFiles, turned_findings
from ttt3r.data.sequences.cameras import Camera
from ttt3r.data.sequences.depth import DepthFiles
from ttt3r.data.sequences.layout import Layout, image_files, named_after_folder
from ttt3r.data.sequences.listed import (
    IMAGE_FOLDERS,
    SMALLER,
    ImageList,
    ListedImage,
    beside,
    find_listed,
    is_file,
    outside,
    pictures,
    recording,
)
from ttt3r.data.sequences.pairing import ByNumber, ByTime, Pairing
from ttt3r.data.sequences.poses import (
    camera_to_world,
    check_quaternions,
    read_camera_matrix,
    read_matrix_rows,
    read_numbers,
    read_trajectory_rows,
)
from ttt3r.data.sequences.recording import Files, Poses, Recording

TRAJECTORIES = ("groundtruth.txt", "trajectory.txt", "poses.txt", "pose.txt", "traj.txt")
"""Names of files with poses, in the order in which they are tried."""
_DEPTH_FOLDERS = ("depth", "depths")


def recognises(folder: Path) -> bool:
    """Whether there are poses of a known name, and images."""
    if any((folder / name).is_file() for name in TRAJECTORIES) and len(_images_of(folder)) > 0:
        return True
    listed = bool(transforms_json.files_of(folder) or colmap_model.find_models(folder))
    return listed and (len(_images_of(folder)) > 0 or len(_images_below(folder)) > 0)


def _images_of(folder: Path) -> Files:
    """The images in natural order, stamped by their places."""
    paths = next((found for name in IMAGE_FOLDERS if (found := pictures(folder / name))), [])
    return Files(tuple(paths), np.arange(len(paths), dtype=np.float64))


def _images_below(folder: Path) -> Files:
    """Likewise with those in folders below, where there are none right there; depth maps are none."""
    depths = {folder / name for name in _DEPTH_FOLDERS}
    names = (*IMAGE_FOLDERS[:-1], *SMALLER, "")
    found = next((here for name in names if (here := pictures(folder / name, below=True))), [])
    paths = [path for path in found if depths.isdisjoint(path.parents)]
    return Files(tuple(paths), np.arange(len(paths), dtype=np.float64))


def read(folder: Path) -> Recording:
    """All images of a folder with the poses that are there; see the head of this file.

    Raises:
        ValueError: if `transforms.json`, the COLMAP model or `camera-intrinsics.txt` is malformed.
    """
    found = _read(folder)
    turned = [] if found.upright else turned_findings(found.images.paths, found.name)
    return found.with_findings(turned)


def _read(folder: Path) -> Recording:
    identity = named_after_folder(folder)
    empty = Recording(identity.sequence, identity.scene, Files(), partial(DepthFiles, per_metre=1000.0))
    K, depths_of = read_camera_matrix(folder), partial(_depths, folder)
    if transforms_json.files_of(folder):
        return recording(empty, transforms_json.read_images(folder), K, depths_of)
    models = colmap_model.find_models(folder)
    if models:
        return recording(empty, _of_model(folder, colmap_model.read_largest(models)), K, depths_of)
    return replace(_by_trajectory(folder, replace(empty, images=_images_of(folder))), intrinsics=K)


def _of_model(folder: Path, model: colmap_model.ColmapModel) -> ImageList:
    """Images that a model names, where most of them lie: beside the model (undistorted ones), or in the sequence's folder."""
    homes = [home for home in (model.folder, *model.folder.parents) if home.is_relative_to(folder)]
    roots = [home / name for name in (*IMAGE_FOLDERS, *SMALLER) for home in homes if (home / name).is_dir()]
    names = [image.name for image in model.images]
    chosen, found = folder, [find_listed((folder,), name) for name in names]
    for root in roots:
        if all(map(is_file, found)):
            break
        here = [find_listed((root,), name) for name in names]
        if sum(map(is_file, here)) > sum(map(is_file, found)) or not any(map(is_file, found)):
            chosen, found = root, here
    unknown = Camera(None)
    listed = [
        ListedImage(path, image.camera_to_world, model.cameras.get(image.camera, unknown))
        for path, image in zip(found, model.images, strict=True)
    ]
    present = [path for path in found if is_file(path)]
    notes = [*model.findings, *outside(folder, model.folder, present)]
    missing = {image.camera for image in model.images} - set(model.cameras)
    if missing and not any(note.where == str(model.file) for note in notes):
        detail = f"{model.file} lists no camera {min(missing)}, which images are of"
        cure = "no camera matrix is taken: write the model again"
        notes.append(Finding(Problem.CAMERA_MODEL, str(model.file), Severity.WARNING, detail, cure))
    around = {path.parent for path in present}
    if chosen != folder and any(parent != chosen for parent in around):
        around |= {path.parent for path in pictures(chosen, below=True)}
    others = beside(found, (), sorted(around))
    return ImageList(model.folder, model.file, tuple(listed), others, findings=tuple(notes))


def _depths(folder: Path, images: Files) -> Files:
    """The depth maps that are called like the images: by folder and name, or by name where no two images are called alike."""
    place: dict[str, Path] = {}
    for name in _DEPTH_FOLDERS:
        arrays = [path for path in (folder / name).rglob("*.npy") if path.is_file()] if (folder / name).is_dir() else []
        for path in [*arrays, *pictures(folder / name, below=True)]:
            place[path.relative_to(folder / name).with_suffix("").as_posix()] = path
    places = [path.absolute() for path in images.paths]
    base = Path(os.path.commonpath([path.parent for path in places])) if places else folder
    alike = len({path.stem for path in places}) < len(places)
    found = {}
    for i, path in enumerate(places):
        names = (path.relative_to(base).with_suffix("").as_posix(), *(() if alike else (path.stem,)))
        depth = next((place[name] for name in names if name in place), None)
        if depth is not None:
            found[i] = depth
    return Files(tuple(found.values()), images.stamps[list(found)])


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
            f"{path} has {len(matrices)} poses for {len(empty.images)} images, and the names do not say which is whose"
        )
        cure = "they are taken one after the other: name the images by the times of the poses"
        found = [Finding(Problem.MISSING_POSES, str(path), Severity.WARNING, detail, cure)]
    return replace(empty, poses=poses, depths=depths, findings=(*empty.findings, *found))


def images(folder: Path) -> ImageFiles:
    """The images of the folder in natural order, listed or not; timestamps are their places."""
    try:
        recording = _read(folder)
        found, upright = recording.images, recording.upright
    except (OSError, ValueError):  # a run needs no poses
        found, upright = Files(), True
    found = found if len(found) else _images_of(folder)
    return image_files(folder, found if len(found) else _images_below(folder), upright=upright)


POSED_FOLDER = Layout(
    name="folder with poses",
    needs="images and one of transforms.json, a COLMAP model, groundtruth.txt, trajectory.txt, poses.txt",
    recognises=recognises,
    identify=named_after_folder,
    read=read,
    images=images,
)
"""Images, and poses in one of the usual forms."""
