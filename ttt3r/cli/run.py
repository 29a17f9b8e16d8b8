"""Reconstruct a stream: images, a folder, a video or a webcam -> cameras, depth and points in a folder.

Results are written frame by frame; an interrupted or failed run keeps what it has and goes on with --resume.
"""

from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ttt3r.cli import choosing
from ttt3r.data import CropToPatches, Prefetch, open_source
from ttt3r.evaluation.plots import plot_point_cloud, plot_trajectories
from ttt3r.export import PointSelection, RunFolder, RunRecord, RunStatus, read_trajectory
from ttt3r.reconstructor import Reconstructor
from ttt3r.runner import RunOptions, run
from ttt3r.types import LengthUnit, Memory
from ttt3r.update_rules import AttentionRecorded, ConfidenceAware, StateUpdateRule


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `ttt3r run`."""
    parser.add_argument("path", type=str, nargs="+", help="folder, glob, images, a video file or webcam:0")
    choosing.add_input_arguments(parser)
    parser.add_subclass_arguments(
        StateUpdateRule,
        "rule",
        metavar="RULE",
        default={"class_path": f"{ConfidenceAware.__module__}.{ConfidenceAware.__qualname__}"},
        help="name of a rule (default: ttt3r), or my_lab.MyRule; its settings as --rule.setting value",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--outputs", choices=[*choosing.OUTPUTS], default="points", help="which heads run")
    parser.add_argument(
        "--chunk",
        type=int | Literal["auto"],
        default=1,
        help="frames encoded and read out together; auto: what a GPU has room for (a live stream wants 1)",
    )
    parser.add_argument("--checkpoint-every", type=int, default=50, help="frames between two saves of the memory")
    parser.add_argument("--min-confidence", type=float, default=1.5, help="least confidence of a point in the cloud")
    parser.add_argument("--points", type=int, default=1_000_000, help="most points in the cloud")
    parser.add_argument(
        "--voxel",
        type=float | None,
        default=None,
        help="at most one point per cube of this side, in the unit of length",
    )
    parser.add_argument(
        "--record-gains",
        action="store_true",
        help="also write what every state token took, and where it looked: gains/",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an older run in the folder")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in the folder, also after frames were added"
    )


def execute(settings: Any, console: Console) -> int:
    """Run `ttt3r run`."""
    rule: StateUpdateRule = AttentionRecorded(settings.rule) if settings.record_gains else settings.rule
    options = RunOptions(
        settings.reset_every,
        choosing.OUTPUTS[settings.outputs],
        None if settings.chunk == "auto" else settings.chunk,
        settings.checkpoint_every,
    )
    if settings.resume and _is_complete(settings, rule):
        console.print(f"the run in [bold]{settings.out}[/] is complete: nothing to do", highlight=False)
        return 0
    precision = choosing.precision(settings)
    network = choosing.load(settings, console)
    source = open_source(
        _path(settings),
        policy=choosing.policy(settings, network),
        sampling=choosing.sampling(settings),
        skip_broken=settings.skip_broken,
    )
    for note in source.notes:
        console.print(f"[yellow]note[/] {escape(f'{source.name}: {note}')}", highlight=False)
    folder, memory = _open_folder(settings, rule, network.config.unit)
    if folder.frames:
        console.print(f"going on after {folder.frames} frames", highlight=False)
    console.print(f"rule [bold]{escape(repr(rule))}[/]", highlight=False)
    try:
        with frame_progress(console) as progress, precision:
            task = progress.add_task("frames", total=source.length, completed=folder.frames)
            model = Reconstructor(network, rule)
            run(
                model,
                Prefetch(source, pin=choosing.choose_device(settings.device).type == "cuda"),
                folder,
                options,
                memory,
                on_frame=lambda _: progress.advance(task),
            )
    finally:
        for name, reason in source.skipped:
            console.print(f"[yellow]skipped[/] {escape(f'{name}: {reason}')}", highlight=False)
        _draw(folder, console)
    return 0


def _path(settings: Any) -> str | list[str]:
    """One source, or several image files (a shell writes out a pattern that stands without quotes)."""
    return settings.path if len(settings.path) > 1 else settings.path[0]


def _is_complete(settings: Any, rule: StateUpdateRule) -> bool:
    """Whether the older run with these settings came to its end, and nothing was added to the source since."""
    RunFolder.resume(settings.out, _facts(settings, rule), _points(settings))  # refuses other settings
    record = RunRecord.load(settings.out)
    if record.status is not RunStatus.COMPLETE:
        return False
    length = open_source(_path(settings), policy=CropToPatches(), sampling=choosing.sampling(settings)).length
    return length is None or length <= record.frames + len(record.extra.get("skipped", ()))


def _points(settings: Any) -> PointSelection:
    return PointSelection(settings.min_confidence, budget=settings.points, voxel_size=settings.voxel)


def _facts(settings: Any, rule: StateUpdateRule) -> dict[str, Any]:
    """What decides the results, for `run.json`; not --skip-broken, so that a run may go on over a broken frame."""
    return {
        "path": _path(settings),
        "network": settings.network,
        "network_sha256": choosing.fingerprint(settings.network),
        "rule": repr(rule),
        "resize": settings.resize,
        "size": settings.size,
        "stride": settings.stride,
        "start": settings.start,
        "stop": settings.stop,
        "reset_every": settings.reset_every,
        "outputs": settings.outputs,
        "precision": settings.precision,
    }


def _open_folder(settings: Any, rule: StateUpdateRule, unit: LengthUnit) -> tuple[RunFolder, Memory | None]:
    """A new folder, or the older run with the memory at its last checkpoint."""
    facts, points, device = _facts(settings, rule), _points(settings), choosing.choose_device(settings.device)
    if not settings.resume:
        return RunFolder.create(settings.out, facts, points, str(device), settings.overwrite, unit), None
    folder = RunFolder.resume(settings.out, facts, points, str(device))
    return folder, folder.restore(device)


def frame_progress(console: Console) -> Progress:
    """A bar over frames, with the time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _draw(folder: RunFolder, console: Console) -> None:
    """Pictures of what there is, where matplotlib is installed, and the list of what was written."""
    made = [item.name for item in folder.path.iterdir() if not item.name.startswith("points_")]
    try:
        made += _pictures(folder)
    except ImportError as error:
        console.print(f"no pictures: {escape(str(error))}", highlight=False)
    console.print(f"{folder.frames} frames -> [bold]{folder.path}[/]: {', '.join(sorted(set(made)))}", highlight=False)


def _pictures(folder: RunFolder) -> list[str]:
    """Draw trajectory and points; the names of the files."""
    if not ((folder.path / "trajectory.txt").exists() and folder.frames):
        return []
    _, cameras = read_trajectory(folder.path / "trajectory.txt")
    plot_trajectories(folder.path / "trajectory.png", {"cameras": cameras}, unit=folder.unit)
    if len(folder.cloud) == 0:
        return ["trajectory.png"]
    plot_point_cloud(folder.path / "points.png", folder.cloud.xyz, folder.cloud.rgb, cameras)
    return ["trajectory.png", "points.png"]
