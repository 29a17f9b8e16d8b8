"""Reconstruct a stream: images, a folder, a video or a webcam -> cameras, depth and points in a folder.

Results are written frame by frame; an interrupted or failed run keeps what it has and goes on with --resume.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

import ttt3r.cli.choosing as choosing
from ttt3r.cli.options import Option
from ttt3r.cli.run_output import draw, pictures_are_missing
from ttt3r.compilation import Compiled
from ttt3r.data import CropToPatches, FrameSource, Prefetch, open_source
from ttt3r.export import PointSelection, RunFolder, RunRecord, RunStatus, folder_files
from ttt3r.export.point_selection import SHARE_LEFT_OUT
from ttt3r.files import locked
from ttt3r.network import CUT3R
from ttt3r.reconstructor import Reconstructor
from ttt3r.resuming import check_same_frames, is_at_its_end
from ttt3r.runner import RunOptions, run
from ttt3r.types import Memory
from ttt3r.update_rules import AttentionRecorded, RuleLabel, StateUpdateRule
from ttt3r.update_rules.naming.former import is_same_rule
from ttt3r.update_rules.sources import rule_fingerprint

RULE = "the rule (its source, what it imports, or its weights)"
"""How messages name what `rule_fingerprint` covers."""

OLDER_RUN = "this run was begun by an older release"
"""Begins the note on a run whose record lacks what newer releases compare."""
NOT_COMPARED = "it is a live camera, or an older release began this run"
"""Reasons for which the frames of a run are not compared with its source."""


@dataclass(frozen=True, kw_only=True)
class RunSettings(choosing.InputSettings):
    """What `ttt3r run` takes."""

    path: Annotated[tuple[str, ...], Option("folder, glob, images, a video file or webcam:0", positional=True)]
    rule: Annotated[
        str,
        Option("name of a rule, or my_lab.MyRule; settings as constant:rate=0.1 or --rule.rate 0.1"),
    ] = choosing.DEFAULT_RULES["run"]
    out: Annotated[Path, Option("folder of the results")]
    outputs: Annotated[str, Option("which heads run", choices=(*choosing.OUTPUTS,))] = "points"
    chunk: Annotated[
        int | Literal["auto"],
        Option("frames that go through the network together; auto: what a GPU has room for (1 for a live stream)"),
    ] = 1
    checkpoint_every: Annotated[int, Option("frames between two saves of the memory")] = 50
    min_quantile: Annotated[
        float | None,
        Option(
            "share of each frame's points, those of least confidence, that stays out of the cloud (default: "
            f"{SHARE_LEFT_OUT}, or 0 with --min-confidence)"
        ),
    ] = None
    min_confidence: Annotated[
        float | None,
        Option("least confidence of a point in the cloud; what suits depends on the network (default: any)"),
    ] = None
    points: Annotated[int, Option("most points in the cloud")] = 1_000_000
    voxel: Annotated[float | None, Option("at most one point per cube of this side, in the unit of length")] = None
    record_gains: Annotated[bool, Option("also write gain and attention of every state token: gains/")] = False
    overwrite: Annotated[bool, Option("replace an older run in the folder")] = False
    resume: Annotated[bool, Option("go on with the run in the folder, also after frames were added")] = False


def execute(settings: RunSettings, console: Console) -> int:
    """Run `ttt3r run`."""
    job = _Job.of(settings)
    if settings.resume:
        RunRecord.load(settings.out)  # refuses a folder without a run, which is not made then
        with locked(settings.out, "run"):
            return _go_on(job, console)
    network = choosing.load(settings, console)
    source = job.source(network)
    folder_files.make(settings.out)
    with locked(settings.out, "run"):
        folder = RunFolder.create(settings.out, *job.facts, settings.overwrite, network.config.unit, job.identities)
        return _run(job, network, source, folder, None, console)


@dataclass(frozen=True)
class _Job:
    """What was asked for. Facts, device and identities are those of `RunFolder.create`."""

    settings: RunSettings
    rule: StateUpdateRule
    options: RunOptions
    facts: tuple[dict[str, Any], PointSelection, str]
    identities: dict[str, str]

    @classmethod
    def of(cls, settings: RunSettings) -> "_Job":
        named = RuleLabel.parse(settings.rule).make()
        rule: StateUpdateRule = AttentionRecorded(named) if settings.record_gains else named
        options = RunOptions(
            settings.reset_every,
            choosing.OUTPUTS[settings.outputs],
            None if settings.chunk == "auto" else settings.chunk,
            settings.checkpoint_every,
        )
        device = str(choosing.choose_device(settings.device))
        choosing.precision(settings)  # refuses what the device cannot do
        facts = (_facts(settings, rule), _points(settings), device)
        return cls(settings, rule, options, facts, {RULE: rule_fingerprint(rule)})

    def facts_as_in(self, record: RunRecord) -> tuple[dict[str, Any], PointSelection, str]:
        """The facts, with the rule as an older release wrote it down, where that is the same rule."""
        settings, points, device = self.facts
        before = record.settings.get("rule")
        if record.is_older and isinstance(before, str) and is_same_rule(self.rule, before):
            settings = settings | {"rule": before}
        return settings, points, device

    def source(self, network: CUT3R | Compiled | None = None) -> FrameSource:
        """The frames as this network takes them; without one, to see what is there."""
        return open_source(
            _path(self.settings),
            policy=CropToPatches() if network is None else choosing.policy(self.settings, network),
            sampling=choosing.sampling(self.settings),
            skip_broken=self.settings.skip_broken,
        )


def _go_on(job: _Job, console: Console) -> int:
    settings = job.settings
    folder = RunFolder.resume(settings.out, *job.facts_as_in(RunRecord.load(settings.out)), job.identities)
    if folder.record.is_older or not job.identities.keys() <= folder.record.identities.keys():
        console.print(f"{OLDER_RUN}: whether {RULE} changed since is not known", highlight=False)
    if is_at_its_end(job.source(), folder):
        return _nothing_to_do(folder, console)
    network = choosing.load(settings, console)
    source = job.source(network)
    if not check_same_frames(source, folder):
        console.print(
            f"the frames that this run has done cannot be compared with {escape(source.name)}: {NOT_COMPARED}"
        )
    if folder.record.status is RunStatus.COMPLETE:
        done = folder.record.frames + len(folder.record.extra.get("skipped", ()))
        if source.length is None or source.length <= done:
            return _nothing_to_do(folder, console)
    memory = folder.restore(choosing.choose_device(settings.device))
    return _run(job, network, source, folder, memory, console)


def _nothing_to_do(folder: RunFolder, console: Console) -> int:
    """The run is complete; what a kill kept from being made of its frames is made now."""
    mended = folder.mend()
    if mended or pictures_are_missing(folder):
        console.print("the run is complete; what was missing of its files is made now", highlight=False)
        draw(folder, console)
    else:
        console.print(f"the run in [bold]{folder.path}[/] is complete: nothing to do", highlight=False)
    return 0


def _run(
    job: _Job,
    network: CUT3R | Compiled,
    source: FrameSource,
    folder: RunFolder,
    memory: Memory | None,
    console: Console,
) -> int:
    for note in source.notes:
        console.print(f"[yellow]note[/] {escape(f'{source.name}: {note}')}", highlight=False)
    if folder.frames:
        console.print(f"going on after {folder.frames} frames", highlight=False)
    console.print(f"rule [bold]{escape(str(RuleLabel.of(job.rule)))}[/]", highlight=False)
    pin = choosing.choose_device(job.settings.device).type == "cuda"
    try:
        with frame_progress(console) as progress, choosing.precision(job.settings):
            task = progress.add_task("frames", total=source.length, completed=folder.frames)
            model = Reconstructor(network, job.rule)
            frames = Prefetch(source, pin=pin)
            run(model, frames, folder, job.options, memory, on_frame=lambda _: progress.advance(task))
    finally:
        for name, reason in source.skipped:
            console.print(f"[yellow]skipped[/] {escape(f'{name}: {reason}')}", highlight=False)
        draw(folder, console)
    return 0


def _path(settings: RunSettings) -> str | list[str]:
    """One source, or several image files (a shell writes out a pattern that stands without quotes)."""
    first, *others = settings.path
    return [first, *others] if others else first


def _points(settings: RunSettings) -> PointSelection:
    """What was asked for; a run that goes on keeps the limits it began with, unless others are named."""
    least, share = settings.min_confidence, settings.min_quantile
    if settings.resume and least is None and share is None:
        before = RunRecord.load(settings.out).points
        least, share = before.get("min_confidence"), before.get("min_quantile")
    given: dict[str, Any] = {} if least is None else {"min_confidence": least}
    given |= {} if share is None else {"min_quantile": share}
    return PointSelection(**given, budget=settings.points, voxel_size=settings.voxel)


def _facts(settings: RunSettings, rule: StateUpdateRule) -> dict[str, Any]:
    """What decides the results, for `run.json`; not --skip-broken, so that a run may go on over a broken frame."""
    return {
        "path": _path(settings),
        "network": settings.network,
        "network_sha256": choosing.fingerprint(settings.network),
        "rule": str(RuleLabel.of(rule)),
        "resize": settings.resize,
        "size": settings.size,
        "stride": settings.stride,
        "start": settings.start,
        "stop": settings.stop,
        "reset_every": settings.reset_every,
        "outputs": settings.outputs,
        "precision": settings.precision,
    }


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
