"""Compare rules side by side on sequences with ground truth, all in one pass: a table, a CSV file, pictures.

Reads the datasets of `ttt3r data list`; `ttt3r data demo DIR` makes a sequence to try things on.
"""

import hashlib
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from jsonargparse import ArgumentParser
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ttt3r.cli import choosing
from ttt3r.cli.published import CSV as PAPER_CSV
from ttt3r.cli.published import compare_with_paper
from ttt3r.cli.run import frame_progress
from ttt3r.cli.worlds import CSV as WORLDS_CSV
from ttt3r.cli.worlds import compare_worlds
from ttt3r.data import Clip, Severity, open_clip
from ttt3r.evaluation.compare import compare
from ttt3r.evaluation.comparison import Comparison, ComparisonRow
from ttt3r.evaluation.gain_task import GAIN_MEAN, MEMORY_AGE
from ttt3r.evaluation.measures_depth import ABS_REL
from ttt3r.evaluation.measures_trajectory import ATE, RPE_ROTATION, RPE_TRANSLATION
from ttt3r.evaluation.plots import plot_gains, plot_trajectories
from ttt3r.evaluation.world_study import WorldPlan
from ttt3r.export import TrajectoryWriter
from ttt3r.files import LOCK, escaped, is_partial, locked
from ttt3r.types import LengthUnit
from ttt3r.update_rules import StateUpdateRule

CSV = "comparison.csv"
LONGEST = 100
"""Bytes of a sequence's or a rule's name in the name of a file."""


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `ttt3r compare`."""
    parser.add_argument(
        "path",
        type=str,
        nargs="+",
        help="folders of sequences with ground truth; or the word worlds, for held-out worlds; with --against, of results",
    )
    choosing.add_input_arguments(parser)
    parser.add_argument(
        "--rules",
        type=str,
        default="cut3r,ttt3r,constant,frozen",
        help="rules by name, with settings and resets if you like: cut3r,ttt3r,ttt3r@100,constant:rate=0.1,my_lab.MyRule",
    )
    parser.add_argument(
        "--lengths",
        type=str,
        default="",
        help="judge the first n frames: 50,100,500 (default: all; worlds 8,16,32,64)",
    )
    parser.add_argument("--out", type=Path, default=None, help="folder of comparison.csv, pictures and trajectories")
    parser.add_argument(
        "--controls", action="store_true", help="run a second pass with the constant of equal mean gain for every gate"
    )
    parser.add_argument(
        "--against",
        type=Literal["paper"] | None,
        default=None,
        help="set results of `ttt3r evaluate`, in the folders named, beside published numbers",
    )
    parser.add_argument("--worlds", type=int, default=WorldPlan.worlds, help="with `compare worlds`: how many")
    parser.add_argument("--overwrite", action="store_true", help="replace an older comparison in the folder")


def execute(settings: Any, console: Console) -> int:
    """Run `ttt3r compare`."""
    rules = choosing.parse_rules(settings.rules)
    lengths = _lengths(settings.lengths)
    if settings.out is None:
        return _compare(settings, rules, lengths, console)
    _make(settings.out)
    with locked(settings.out, "comparison"):
        _prepare(settings.out, settings.overwrite, _csv_of(settings))
        return _compare(settings, rules, lengths, console)


def _csv_of(settings: Any) -> str:
    if settings.against is not None:
        return PAPER_CSV
    return WORLDS_CSV if settings.path == ["worlds"] else CSV


def _compare(settings: Any, rules: dict[str, StateUpdateRule], lengths: list[int] | None, console: Console) -> int:
    if settings.against is not None:
        return compare_with_paper(settings.path, settings.out, console)
    if settings.path == ["worlds"]:
        return compare_worlds(settings, lengths or list(WorldPlan.lengths), console)
    network = choosing.load(settings, console)
    policy, sampling = choosing.policy(settings, network), choosing.sampling(settings)
    clips = [
        open_clip(path, policy=policy, sampling=sampling, skip_broken=settings.skip_broken) for path in settings.path
    ]
    result = Comparison((), {}, {}, {})
    for clip in (replace(clip, name=escaped(clip.name)) for clip in clips):
        if clip.name in result.truth:
            raise ValueError(f"two sequences are called {clip.name}; compare them one by one")
        with frame_progress(console) as progress, choosing.precision(settings):
            total = min(len(clip.timestamps), max(lengths or [len(clip.timestamps)]))
            task = progress.add_task(escape(clip.name), total=2 * total if settings.controls else total)
            found = compare(
                network,
                rules,
                [clip],
                lengths=lengths,
                reset_every=choosing.parse_resets(rules, settings.reset_every),
                controls=settings.controls,
                on_frame=lambda *_, task=task, progress=progress: progress.advance(task),
            )
        result = result.extended(found)
        _report(clip, found, console)
        if settings.out is not None:  # after every clip: an error in the next one loses nothing
            _write(found, settings.out, network.config.unit, console)
            result.write_csv(settings.out / CSV)
    if choosing.is_toy(settings.network, network):
        console.print("[yellow]numbers of an untrained or tiny network: they show the path, not the rules[/]")
    if settings.out is not None:
        console.print(f"the table: [bold]{settings.out / CSV}[/]", highlight=False)
    return 0


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / LOCK).touch()
    except OSError as error:
        raise OSError(
            f"cannot write to the output folder {out} ({error.strerror}); choose another with --out"
        ) from error


def _prepare(out: Path, overwrite: bool, table: str) -> None:
    """An output folder that is empty or holds an older comparison that may be replaced.

    The table is put there, empty, before anything else: so the folder is known as a comparison's however the command ends.
    """
    names = [path.name for path in out.iterdir()]
    used = any(name != LOCK and not is_partial(name) for name in names)
    if used and not any((out / name).is_file() for name in (CSV, WORLDS_CSV, PAPER_CSV)):
        raise FileExistsError(f"{out} is not empty and holds no comparison; choose an empty folder with --out")
    if used and not overwrite:
        raise FileExistsError(f"{out} already holds a comparison; replace it with --overwrite, or choose another --out")
    (out / table).write_bytes(b"")


def _report(clip: Clip, result: Comparison, console: Console) -> None:
    """The table of one clip, and what has to be said beside it."""
    rules = list(dict.fromkeys(row.control_of or row.rule for row in result.rows))
    rows = sorted(result.rows, key=lambda row: (row.frames, rules.index(row.control_of or row.rule)))
    console.print(_table(clip.name, rows))
    notes: dict[str, list[str]] = {}
    for row in result.rows:
        if row.note:
            notes.setdefault(row.note, []).append(f"{row.rule} at {row.frames} frames")
    for note, rows in notes.items():
        console.print(f"[yellow]no trajectory errors[/] ({escape(', '.join(rows))}): {escape(note)}", highlight=False)
    for finding in dict.fromkeys(clip.findings):
        colour = "dim" if finding.severity is Severity.NOTE else "yellow"
        console.print(f"[{colour}]{finding.what.value}[/]: {escape(str(finding))}", highlight=False)
    for name, reason in clip.source.skipped:
        console.print(f"[yellow]skipped[/] {escape(f'{name}: {reason}')}", highlight=False)


def _lengths(text: str) -> list[int] | None:
    try:
        return [int(part) for part in text.split(",")] if text else None
    except ValueError:
        raise ValueError(f"--lengths takes whole numbers with commas between, got {text!r}; e.g. 50,100,500") from None


def _table(clip: str, rows: list[ComparisonRow]) -> Table:
    """One clip: shorter prefixes first, rules in the order in which they were named, controls below their gates."""
    seconds = rows[0].seconds_per_frame
    caption = f"one pass for all rules: {seconds:.3f} s a frame"
    table = Table(title=escape(clip), caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("frames", justify="right", no_wrap=True)
    table.add_column("rule", overflow="fold")
    labels = [metric.label for metric in (ATE, RPE_TRANSLATION, RPE_ROTATION, ABS_REL, GAIN_MEAN)]
    for heading in (*labels, MEMORY_AGE.heading):
        table.add_column(heading, justify="right", no_wrap=True)
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        ends = after is not None and after.frames != row.frames
        table.add_row(str(row.frames), escape(row.rule), *_numbers(row), end_section=ends)
    return table


def _numbers(row: ComparisonRow) -> list[str]:
    values = [row.ate, row.rpe_translation, row.rpe_rotation_degrees, row.depth_abs_rel]
    cells = ["-" if math.isnan(value) else f"{value:.3f}" for value in values]
    return [*cells, f"{row.gain_mean:.2f}±{row.gain_std:.2f}", f"{row.memory_age:.1f}"]


def _write(result: Comparison, out: Path, unit: LengthUnit, console: Console) -> None:
    """A TUM trajectory for each clip and rule, and pictures of each clip where matplotlib is installed."""
    made = []
    for clip, truth in result.truth.items():
        stem = _file_name(clip)
        paths = {rule: cameras for (name, rule), cameras in result.cameras.items() if name == clip}
        for rule, cameras in paths.items():
            name = f"{stem}.{_file_name(rule)}.txt"
            _write_trajectory(out / name, unit, result.timestamps[clip], cameras)
            made.append(name)
        try:
            plot_trajectories(out / f"{stem}.png", paths, truth)
            plot_gains(out / f"{stem}.gains.png", {rule: g for (name, rule), g in result.gains.items() if name == clip})
            made += [f"{stem}.png", f"{stem}.gains.png"]
        except ImportError as error:
            console.print(f"no pictures: {escape(str(error))}", highlight=False)
    console.print(f"[bold]{out}[/]: {', '.join(made)}", highlight=False)


def _file_name(name: str) -> str:
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
    if len(plain.encode()) <= LONGEST:
        return plain
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return plain.encode()[: LONGEST - 9].decode("utf-8", "ignore") + f"-{mark}"


def _write_trajectory(
    path: Path, unit: LengthUnit, timestamps: Float[np.ndarray, " frame"], cameras: Float[np.ndarray, "frame 4 4"]
) -> None:
    path.unlink(missing_ok=True)  # the writer appends, and this is a new result
    writer = TrajectoryWriter(path, unit)
    for timestamp, camera in zip(timestamps, cameras, strict=True):
        writer.write(float(timestamp), torch.from_numpy(camera))
