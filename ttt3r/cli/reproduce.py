"""For those who have the official weights: check the file, run published protocols, and compare with what was printed.

Give the datasets that you have as PROTOCOL=FOLDER: --data tum/stride3-90=data/tum. OUT/reproduction.md is the report to send.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.markup import escape

import ttt3r.cli.choosing as choosing
from ttt3r.cli.options import Option, Settings
from ttt3r.evaluation.engine.contenders import Contender
from ttt3r.evaluation.engine.evaluator import Evaluation, evaluate
from ttt3r.evaluation.measures.status import Status
from ttt3r.evaluation.protocols.acceptance import LICENCE, Check, check_checkpoint
from ttt3r.evaluation.protocols.table import find_protocol
from ttt3r.evaluation.report.against import AgainstPaper, against_paper
from ttt3r.evaluation.report.results import Results, collect
from ttt3r.evaluation.results.rows import UnitResult
from ttt3r.files import write_text
from ttt3r.network import CUT3R, load_network
from ttt3r.network.published import resolve
from ttt3r.runner import choose_device
from ttt3r.update_rules import TTT3R, FullOverwrite

REPORT_FILE = "reproduction.md"
"""File of the report in the output folder."""
PUBLISHED_RULES = (Contender("cut3r", FullOverwrite()), Contender("ttt3r", TTT3R()))
"""Rules with published numbers."""


@dataclass(frozen=True, kw_only=True)
class ReproduceSettings(Settings):
    """What `ttt3r reproduce` takes."""

    checkpoint: Annotated[Path, Option("the official .pth file, or cut3r-512 once it is fetched", positional=True)]
    data: Annotated[tuple[str, ...], Option("PROTOCOL=FOLDER; may repeat")] = ()
    sequences: Annotated[str, Option("names or patterns with commas between (default: all)")] = ""
    size: Annotated[int | None, Option("long side of images (default: the network's)")] = None
    device: Annotated[str, Option("auto, cpu, cuda, cuda:1 or mps")] = "auto"
    out: Annotated[Path, Option("folder of the results; what it holds is kept")]


def execute(settings: ReproduceSettings, console: Console) -> int:
    """Run `ttt3r reproduce`; 1 if the file is not the official one."""
    console.print(LICENCE, highlight=False)
    checks = check_checkpoint(resolve(settings.checkpoint))
    units: list[UnitResult] = []
    network = load_network(settings.checkpoint, choose_device(settings.device))
    for pair in settings.data:
        units += _run(pair, settings, network)
    results = collect(units) if units else None
    beside = against_paper(results) if results else ()
    lines = [*_of_file(checks), "", *_of_numbers(beside), "", *_of_failures(results), "", LICENCE]
    settings.out.mkdir(parents=True, exist_ok=True)
    write_text(settings.out / REPORT_FILE, "\n".join(lines) + "\n")
    console.print(escape("\n".join(lines[:-2])), highlight=False, soft_wrap=True)
    console.print(f"the report to send back: [bold]{settings.out / REPORT_FILE}[/]", highlight=False)
    return 0 if all(check.agrees for check in checks) else 1


def _run(pair: str, settings: ReproduceSettings, network: CUT3R) -> tuple[UnitResult, ...]:
    name, equals, folder = pair.partition("=")
    if not equals:
        raise ValueError(f"--data takes PROTOCOL=FOLDER, such as tum/stride3-90=data/tum; got {pair!r}")
    protocol = find_protocol(name).sized(settings.size or network.config.image_size)
    if settings.sequences:
        protocol = replace(protocol, sequences=tuple(settings.sequences.split(",")))
    evaluation = Evaluation(protocol, Path(folder), PUBLISHED_RULES, choosing.fingerprint(str(settings.checkpoint)))
    return evaluate(network, evaluation, settings.out)


def _of_file(checks: tuple[Check, ...]) -> list[str]:
    rows = [f"| {c.what} | {c.expected} | {c.found} | {'yes' if c.agrees else 'NO'} |" for c in checks]
    return ["| file | expected | found | agrees |", "|---|---|---|---|", *rows]


def _of_numbers(beside: tuple[AgainstPaper, ...]) -> list[str]:
    """A line for each number: ours, the authors', the band of what others got with the same weights."""
    rows = []
    for one in beside:
        ours, (low, high) = one.ours, one.band
        cells = [ours.slice.label, str(ours.length or "all"), ours.rule, one.metric.name]
        cells += [f"{ours.value:.4f} ({ours.ok}/{ours.total})", f"{one.published:.4f}", f"{low:.4f} to {high:.4f}"]
        rows.append(f"| {' | '.join(cells)} | {one.percent:+.1f} % |")
    head = "| protocol | frames | rule | metric | ours (sequences) | published | band of all | difference |"
    return (
        [head, "|---|---|---|---|---|---|---|---|", *rows] if rows else ["No number here has a published counterpart."]
    )


def _of_failures(results: Results | None) -> list[str]:
    rows = results.rows if results else ()
    rows = [row for row in rows if results and results.metric(row.metric).official and row.status is not Status.OK]
    found = sorted({f"- {row.status.value}: {row.sequence} ({row.rule}): {row.note}" for row in rows})
    return ["Not counted, or in part:", *found] if found else ["Every sequence was counted."]
