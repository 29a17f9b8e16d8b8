"""What a run folder holds besides the frames, made from them: the cloud for other programs, and the COLMAP model."""

import importlib.util
from pathlib import Path

import ttt3r.export.folder_files as folder_files
from ttt3r.export.colmap import FILES, ColmapView, write_colmap
from ttt3r.export.intrinsics import Pinhole, read_intrinsics
from ttt3r.export.point_files import write_glb, write_ply
from ttt3r.export.points import PointCloud
from ttt3r.export.trajectory import read_trajectory
from ttt3r.types import LengthUnit

DERIVED = ("points.glb", "colmap")
"""What may be left out, as the notes name it."""


def write_derived(path: Path, frames: int, cloud: PointCloud, unit: LengthUnit) -> dict[str, str]:
    """Write the files for the first `frames` frames; those that can't be made are named, with the reason.

    Lengths are in `unit`.
    """
    notes: dict[str, str] = {}
    ply, glb = path / "points.ply", path / "points.glb"
    if len(cloud) > 0:
        write_ply(ply, cloud, unit)
        if importlib.util.find_spec("trimesh") is not None:
            write_glb(glb, cloud)
        else:
            notes[glb.name] = "left out: pip install 'ttt3r[export]'"
    else:
        for stale in (ply, glb):  # of an earlier end of this run
            stale.unlink(missing_ok=True)
    cameras, reason = _cameras(path, frames)
    if reason:
        notes["colmap"] = f"left out: {reason}"
    elif cameras:
        _, poses = read_trajectory(path / "trajectory.txt")
        name = folder_files.stem
        views = [ColmapView(f"{name(i)}.jpg", cameras[i], poses[i]) for i in range(frames)]
        write_colmap(path / "colmap", views, cloud)
    return notes


def missing(path: Path, frames: int, cloud: PointCloud) -> bool:
    """Whether one of the files that `write_derived` makes is not there."""
    names = ["points.ply"] if len(cloud) > 0 else []
    if names and importlib.util.find_spec("trimesh") is not None:
        names.append("points.glb")
    if _cameras(path, frames)[0]:
        names += [f"colmap/{name}" for name in FILES]
    return any(not (path / name).is_file() for name in names)


def _cameras(path: Path, frames: int) -> tuple[dict[int, Pinhole], str]:
    """The camera of every frame, if the model can be written; else nothing, with the reason if there is one to report."""
    trajectory, intrinsics = path / "trajectory.txt", path / "intrinsics.csv"
    if frames == 0 or not (trajectory.exists() and intrinsics.exists()):
        return {}, ""
    try:
        cameras, (_, poses) = read_intrinsics(intrinsics), read_trajectory(trajectory)
    except ValueError as error:
        return {}, str(error)
    if len(poses) < frames or not cameras.keys() >= set(range(frames)):
        return {}, f"{trajectory.name} or {intrinsics.name} has too few frames"
    bad = [number for number in range(frames) if cameras[number].focal[0] <= 0]
    if bad:
        reason = "(depth behind the camera)"
        return {}, f"no focal length was found in {len(bad)} of {frames} frames, the first is {bad[0]} {reason}"
    return cameras, ""
