"""What `ttt3r run` draws and prints at its end."""

import importlib.util

from rich.console import Console
from rich.markup import escape

from ttt3r.evaluation.plots.plots import plot_point_cloud, plot_trajectories
from ttt3r.export import RunFolder, read_intrinsics, read_trajectory
from ttt3r.export.derived import DERIVED


def draw(folder: RunFolder, console: Console) -> None:
    """Pictures of what there is, where matplotlib is installed, and the list of what was written."""
    hidden = ("points_", ".")
    made = [item.name for item in folder.path.iterdir() if not item.name.startswith(hidden)]
    try:
        made += draw_pictures(folder)
    except ImportError as error:
        console.print(f"no pictures: {escape(str(error))}", highlight=False)
    print_points(folder, console)
    console.print(f"{folder.frames} frames -> [bold]{folder.path}[/]: {', '.join(sorted(set(made)))}", highlight=False)


def print_points(folder: RunFolder, console: Console) -> None:
    """How many points were kept, and what was left out of the folder, with the reason."""
    table = folder.path / "intrinsics.csv"
    if folder.frames and table.exists():
        cameras = read_intrinsics(table)
        total = sum(cameras[frame].width * cameras[frame].height for frame in range(folder.frames))
        kept, limits = len(folder.cloud), folder.cloud.selection
        rules = [f"{limits.min_quantile:.0%} of least confidence in each frame left out"] * (limits.min_quantile > 0)
        rules += [f"confidence of {limits.min_confidence:g} or more"] * (limits.min_confidence > 0)
        rules += [f"at most {limits.budget:,}"] * (kept >= limits.budget)
        rules += [] if limits.voxel_size is None else [f"one per cube of side {limits.voxel_size:g}"]
        cure = "; [yellow]lower --min-confidence[/]" if kept == 0 else ""
        console.print(
            f"{kept:,} of {total:,} points are in the cloud ({', '.join(rules) or 'all'}){cure}", highlight=False
        )
    for name in DERIVED:
        if reason := folder.record.extra.get(name):
            console.print(f"{name} is {escape(str(reason))}", highlight=False)


def pictures_are_missing(folder: RunFolder) -> bool:
    """Whether one of the pictures that can be drawn is not there."""
    names = ["trajectory.png"] if (folder.path / "trajectory.txt").exists() and folder.frames else []
    names += ["points.png"] if names and len(folder.cloud) else []
    drawn = importlib.util.find_spec("matplotlib") is not None
    return drawn and any(not (folder.path / name).exists() for name in names)


def draw_pictures(folder: RunFolder) -> list[str]:
    """Draw trajectory and points; the names of the files."""
    if not ((folder.path / "trajectory.txt").exists() and folder.frames):
        return []
    cameras = read_trajectory(folder.path / "trajectory.txt")[1][: folder.frames]
    plot_trajectories(folder.path / "trajectory.png", {"cameras": cameras}, unit=folder.unit)
    if len(folder.cloud) == 0:
        return ["trajectory.png"]
    plot_point_cloud(folder.path / "points.png", folder.cloud.xyz, folder.cloud.rgb, cameras)
    return ["trajectory.png", "points.png"]
