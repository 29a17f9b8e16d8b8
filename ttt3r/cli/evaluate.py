"""Evaluate rules on a dataset by a named protocol: every rule, sequence and length; a killed evaluation goes on.

Run the same command again, in one process or in many, and only what is missing is done. `--aggregate OUT` reads the results
of any part of it.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import yaml
from rich.console import Console
from rich.markup import escape

import ttt3r.cli.choosing as choosing
from ttt3r.cli.aggregate import aggregate, report
from ttt3r.cli.jobs import Jobs, submit
from ttt3r.cli.options import Option, Settings
from ttt3r.cli.run import frame_progress
from ttt3r.evaluation.engine.evaluator import Evaluation, evaluate
from ttt3r.evaluation.engine.grid import Axis, contenders
from ttt3r.evaluation.engine.sharding import Shard, launched_processes
from ttt3r.evaluation.protocols.base import Protocol
from ttt3r.evaluation.protocols.table import find_protocol
from ttt3r.evaluation.results.canonical import stable_hash
from ttt3r.files import escaped, replacing
from ttt3r.network import CUT3R, load_network
from ttt3r.update_rules import RuleLabel
from ttt3r.update_rules.resets import Every

SAVED = (
    *("protocol", "root", "network", "device", "rules", "grid", "lengths", "sequences", "size", "reset_every"),
    *("controls", "chunk"),
)
"""The settings that make an experiment; they are saved with every result."""


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(Settings):
    """What `ttt3r evaluate` takes."""

    config: Annotated[Path | None, Option("YAML file of settings, as OUT/experiment-*.yaml")] = None
    name: Annotated[str, Option("how it is judged, by name", positional=True, metavar="PROTOCOL")] = ""
    protocol: Annotated[str, Option("the same, in a file of settings")] = ""
    root: Annotated[Path, Option("folder of the dataset or of one sequence")] = Path(".")
    network: Annotated[str, Option("nano, tiny-random, official .pth, or converted folder")] = "nano"
    out: Annotated[Path | None, Option("folder of the results; what it holds is kept")] = None
    rules: Annotated[str, Option("rules by name: cut3r,ttt3r@100,constant:rate=0.1")] = "cut3r,ttt3r"
    grid: Annotated[
        tuple[str, ...],
        Option("a setting and its values: rule.rate=0.1,0.2 or reset=50,never; may repeat"),
    ] = ()
    controls: Annotated[bool, Option("add the constant of equal mean gain for every gate")] = False
    lengths: Annotated[str, Option("judge the first n frames: 50,100 (default: protocol's)")] = ""
    sequences: Annotated[str, Option("names or patterns with commas between (default: all)")] = ""
    size: Annotated[int | None, Option("long side of images (default: the network's)")] = None
    reset_every: Annotated[int | None, Option("reset the memory every n frames")] = None
    device: Annotated[str, Option("auto, cpu, cuda, cuda:1 or mps")] = "auto"
    chunk: Annotated[int, Option("frames that go through the network together")] = 1
    processes: Annotated[int, Option("processes on this machine, each with its own device")] = 1
    shard: Annotated[str, Option("i/n: do only this share of the sequences")] = "0/1"
    aggregate: Annotated[Path | None, Option("only read these results; tables go to --out, or there")] = None
    jobs: Annotated[Jobs, Option("hand the work to a cluster's scheduler (extra: cluster)")] = Jobs()


def execute(settings: EvaluateSettings, console: Console) -> int:
    """Run `ttt3r evaluate`."""
    if settings.aggregate is not None:
        return report(settings.aggregate, console, settings.out)
    if settings.name and settings.protocol and settings.name != settings.protocol:
        raise ValueError(f"two protocols are named, {settings.name} and {settings.protocol}; leave one of them out")
    settings = replace(settings, protocol=find_protocol(settings.name or settings.protocol).name)
    if (out := settings.out) is None:
        raise ValueError("ttt3r evaluate takes PROTOCOL and --out; or --aggregate OUT alone")
    choosing.parse_rules(settings.rules)  # refuses what does not exist, and names given twice
    axes = [Axis.parse(text) for text in settings.grid]
    who = contenders(RuleLabel.parse_list(settings.rules), axes)
    experiment = yaml.safe_dump({name: _plain(getattr(settings, name)) for name in SAVED}, sort_keys=False)
    file = _save(out, experiment)
    if settings.jobs.count:
        return submit(settings.jobs, file, out, console)
    together = launched_processes() > 1 or settings.processes > 1
    device = "cpu" if together else choosing.choose_device(settings.device)
    network = load_network(settings.network, device)
    evaluation = Evaluation(
        _protocol(settings, network),
        settings.root,
        who,
        choosing.fingerprint(settings.network),
        settings.controls,
        {"experiment": experiment},
        chunk=settings.chunk,
    )
    if together:
        first = _run_together(settings, evaluation, network, out)
    else:
        first = _run_here(evaluation, network, Shard.parse(settings.shard), out, console)
    return aggregate(out, console) if first else 0


def _protocol(settings: EvaluateSettings, network: CUT3R) -> Protocol:
    """The named protocol with what the command line changes; every change is another hash."""
    protocol = find_protocol(settings.protocol).sized(settings.size or network.config.image_size)
    if settings.lengths:
        protocol = replace(protocol, lengths=choosing.parse_lengths(settings.lengths))
    if settings.sequences:
        protocol = replace(protocol, sequences=tuple(part.strip() for part in settings.sequences.split(",")))
    if settings.reset_every is not None:
        protocol = replace(protocol, reset=Every(settings.reset_every))
    return protocol


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value


def _save(out: Path, experiment: str) -> Path:
    """Write the settings beside the results; every experiment in the folder keeps its file."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"experiment-{stable_hash(experiment)[:8]}.yaml"
    if not file.is_file():
        with replacing(file) as partial:
            partial.write_text(experiment, "utf-8")
    return file


def _run_here(evaluation: Evaluation, network: CUT3R, shard: Shard, out: Path, console: Console) -> bool:
    """In this process, with a bar; always the first process."""
    _announce(evaluation, shard, console)
    with frame_progress(console) as progress:
        tasks: dict[str, Any] = {}

        def advance(sequence: str, frames: int) -> None:
            if sequence not in tasks:
                tasks[sequence] = progress.add_task(escape(escaped(sequence)), total=evaluation.protocol.frames)
            progress.update(tasks[sequence], completed=frames)

        evaluate(network, evaluation, out, shard=shard, on_frame=advance)
    return True


def _run_together(settings: EvaluateSettings, evaluation: Evaluation, network: CUT3R, out: Path) -> bool:
    """In the processes of a launcher, or in some that Lightning starts; whether this is the first of them."""
    from ttt3r.evaluation.engine.distributed import (  # Lightning is loaded by those who need it
        Processes,
        evaluate_together,
    )

    accelerator = {"auto": "auto", "cpu": "cpu", "mps": "mps"}.get(settings.device, "gpu")
    launched = launched_processes()
    processes = Processes.launched(accelerator) if launched > 1 else Processes(accelerator, settings.processes)
    return evaluate_together(network, evaluation, out, processes, Shard.parse(settings.shard))


def _announce(evaluation: Evaluation, shard: Shard, console: Console) -> None:
    protocol = evaluation.protocol
    entries = protocol.find(evaluation.root)
    console.print(
        f"protocol [bold]{protocol.name}[/] {protocol.hash[:12]}: {len(shard.of(entries))} of {len(entries)} sequences, "
        f"{len(evaluation.contenders)} rules, lengths {', '.join(map(str, protocol.lengths)) or 'whole'}",
        highlight=False,
    )
