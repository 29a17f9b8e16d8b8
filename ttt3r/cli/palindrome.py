"""Show a video forwards and then backwards to several rules: errors against lag, without ground truth.

Whatever the camera did, it must come back through the same places. Reads what `ttt3r run` reads; of a sequence in the layout
of a dataset, the way there is also judged by its true cameras.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.markup import escape

import ttt3r.cli.choosing as choosing
import ttt3r.cli.comparison_folder as comparison_folder
from ttt3r.cli.options import Option
from ttt3r.cli.run import frame_progress
from ttt3r.compilation import Compiled
from ttt3r.data import Clip, FrameSource, open_clip, open_source, recognise
from ttt3r.evaluation.engine.palindrome import palindrome
from ttt3r.evaluation.engine.segments import Segments
from ttt3r.evaluation.metrics.palindrome import Palindrome
from ttt3r.evaluation.plots.pictures import save_figure
from ttt3r.evaluation.report.palindrome.page import palindrome_figure, palindrome_page
from ttt3r.evaluation.report.palindrome.tables import palindrome_notes, palindrome_tables, write_palindromes
from ttt3r.files import escaped, locked, write_text
from ttt3r.network import CUT3R
from ttt3r.update_rules import StateUpdateRule

WIDEST = 100
"""Columns of the terminal that a table takes at most."""


@dataclass(frozen=True, kw_only=True)
class PalindromeSettings(choosing.InputSettings):
    """What `ttt3r palindrome` takes."""

    path: Annotated[
        tuple[str, ...],
        Option(
            "a video, a folder, glob or list of images, or webcam:0; or a sequence with ground truth", positional=True
        ),
    ]
    rules: Annotated[
        str,
        Option(
            "rules by name, with settings and resets if you like: cut3r,ttt3r,ttt3r@100,constant:rate=0.1,my_lab.MyRule"
        ),
    ] = "cut3r,ttt3r,constant,frozen"
    segments: Annotated[int | None, Option("cut the video into so many palindromes, for intervals (default: 1)")] = None
    length: Annotated[int | None, Option("frames of each segment (default: all, or their share)")] = None
    controls: Annotated[
        bool,
        Option(
            "also run frozen, the first rule restarted at the turn, and for every gate the constant of its mean gain"
        ),
    ] = False
    out: Annotated[Path | None, Option("folder of palindrome.csv, .md, .png and .html")] = None
    chunk: Annotated[int, Option("frames that go through the network together")] = 1
    overwrite: Annotated[bool, Option("replace an older comparison in the folder")] = False


def execute(settings: PalindromeSettings, console: Console) -> int:
    """Run `ttt3r palindrome`."""
    rules = choosing.parse_rules(settings.rules)
    segments = Segments(settings.length, settings.segments, settings.controls, settings.chunk)
    if settings.out is None:
        return _run(settings, rules, segments, console)
    comparison_folder.make_folder(settings.out)
    with locked(settings.out, "comparison"):
        comparison_folder.prepare(settings.out, comparison_folder.PALINDROME, settings.overwrite)
        return _run(settings, rules, segments, console)


def _run(
    settings: PalindromeSettings, rules: Mapping[str, StateUpdateRule], segments: Segments, console: Console
) -> int:
    network = choosing.load(settings, console)
    video = _open(settings, network, console)
    source = video.source if isinstance(video, Clip) else video
    resets = choosing.parse_resets(rules, settings.reset_every)
    frames, found = segments.passes_of(source), list[Palindrome]()
    with frame_progress(console) as progress, choosing.precision(settings):
        task = progress.add_task("frames", total=frames and frames * (1 + settings.controls))
        played = palindrome(
            network, rules, video, segments, reset_every=resets, on_frame=lambda: progress.advance(task)
        )
        for one in played:
            found.append(replace(one, source=escaped(one.source)))
            if settings.out is not None:  # after every segment: an error in the next one loses nothing
                if len(found) == 1:
                    comparison_folder.clear(settings.out, comparison_folder.PALINDROME)
                write_palindromes(found, settings.out / comparison_folder.PALINDROME)
    _say(found, source, console)
    if choosing.is_toy(settings.network, network):
        console.print("[yellow]numbers of an untrained or tiny network: they show the path, not the rules[/]")
    if settings.out is not None:
        _write(found, settings, console)
    return 1 if any(one.stopped for one in found) else 0


def _open(settings: PalindromeSettings, network: CUT3R | Compiled, console: Console) -> FrameSource | Clip:
    """A sequence with ground truth where there is one, else the frames alone."""
    policy, sampling = choosing.policy(settings, network), choosing.sampling(settings)
    first, *others = settings.path
    if not others and Path(first).is_dir() and recognise(first):
        try:
            return open_clip(first, policy=policy, sampling=sampling, skip_broken=settings.skip_broken)
        except ValueError as error:
            console.print(f"[yellow]without ground truth[/]: {escape(str(error))}", highlight=False)
    path = [first, *others] if others else first
    return open_source(path, policy=policy, sampling=sampling, skip_broken=settings.skip_broken)


def _say(found: Sequence[Palindrome], source: FrameSource, console: Console) -> None:
    width = min(console.width, WIDEST)
    for table in palindrome_tables(found):
        for part in table.rich(width):
            console.print(part)
    notes = [("note", note) for note in palindrome_notes(found)]
    notes += [("note", f"{escaped(source.name)}: {note}") for note in source.notes]
    notes += [("skipped", escaped(f"{name}: {reason}")) for name, reason in source.skipped]
    for kind, note in notes:
        console.print(f"[yellow]{kind}[/] {escape(note)}", highlight=False, width=width)


def _write(found: Sequence[Palindrome], settings: PalindromeSettings, console: Console) -> None:
    """Tables, figure and page beside the CSV."""
    assert settings.out is not None  # the caller has seen to it
    made = [comparison_folder.PALINDROME, *comparison_folder.OF_PALINDROMES]
    words = _command(settings, len(found), len(found[0].frames))
    tables = "\n".join(table.markdown() for table in palindrome_tables(found))
    write_text(settings.out / "palindrome.md", f"<!-- {words} -->\n\n{tables}")
    figure = None
    try:
        figure = palindrome_figure(found)
        save_figure(figure.drawing, settings.out / "palindrome.png")
    except ImportError as error:
        console.print(f"no pictures: {escape(str(error))}", highlight=False)
        made.remove("palindrome.png")
    facts = [("command", words), ("network", choosing.fingerprint(settings.network))]
    write_text(settings.out / "palindrome.html", palindrome_page(found, figure, facts).html())
    console.print(f"[bold]{settings.out}[/]: {', '.join(made)}", highlight=False)


def _command(settings: PalindromeSettings, segments: int, length: int) -> str:
    """The command that makes the numbers."""
    words = ["ttt3r", "palindrome", *settings.path, "--network", settings.network, "--rules", settings.rules]
    words += ["--segments", str(segments), "--length", str(length), *["--controls"] * settings.controls]
    for name, value, usual in (
        ("--stride", settings.stride, 1),
        ("--start", settings.start, 0),
        ("--stop", settings.stop, None),
        ("--size", settings.size, None),
        ("--resize", settings.resize, "crop"),
        ("--precision", settings.precision, "float32"),
        ("--reset-every", settings.reset_every, None),
    ):
        words += [] if value == usual else [name, str(value)]
    return escaped(shlex.join(words))
