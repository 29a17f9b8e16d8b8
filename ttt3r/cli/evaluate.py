"""Evaluate rules on a dataset by a named protocol: every rule, sequence and length; a killed evaluation goes on.

Run the same command again, in one process or in many, and only what is missing is done. `--aggregate OUT` reads the results
of any part of it.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser
from rich.console import Console
from rich.markup import escape

import ttt3r.cli.choosing as choosing
from ttt3r.cli.aggregate import aggregate, report
from ttt3r.cli.jobs import Jobs, submit
from ttt3r.cli.run import frame_progress
from ttt3r.cli.strict import ConfigFile
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


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `ttt3r evaluate`."""
    parser.add_argument("--config", action=ConfigFile, help="YAML file of settings, as OUT/experiment-*.yaml")
    parser.add_argument("name", type=str, nargs="?", default="", metavar="PROTOCOL", help="how it is judged, by name")
    parser.add_argument("--protocol", type=str, default="", help="the same, in a file of settings")
    parser.add_argument("--root", type=Path, default=Path("."), help="folder of the dataset or of one sequence")
    parser.add_argument(
        "--network", type=str, default="nano", help="nano, tiny-random, official .pth, or converted folder"
    )
    parser.add_argument("--out", type=Path | None, default=None, help="folder of the results; what it holds is kept")
    parser.add_argument(
        "--rules", type=str, default="cut3r,ttt3r", help="rules by name: cut3r,ttt3r@100,constant:rate=0.1"
    )
    parser.add_argument(
        "--grid",
        type=list[str],
        default=[],
        help="a setting and its values: rule.rate=0.1,0.2 or reset=50,never; may repeat",
    )
    parser.add_argument("--controls", action="store_true", help="add the constant of equal mean gain for every gate")
    parser.add_argument(
        "--lengths", type=str, default="", help="judge the first n frames: 50,100 (default: protocol's)"
    )
    parser.add_argument(
        "--sequences", type=str, default="", help="names or patterns with commas between (default: all)"
    )
    parser.add_argument("--size", type=int | None, default=None, help="long side of images (default: the network's)")
    parser.add_argument("--reset-every", type=int | None, default=None, help="restart the memory every n frames")
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1 or mps")
    parser.add_argument("--chunk", type=int, default=1, help="frames that go through the network together")
    parser.add_argument("--processes", type=int, default=1, help="processes on this machine, each with its own device")
    parser.add_argument("--shard", type=str, default="0/1", help="i/n: do only this share of the sequences")
    parser.add_argument(
        "--aggregate",
        type=Path | None,
        default=None,
        help="only read these results; tables go to --out, or there",
    )
    parser.add_class_arguments(Jobs, "jobs", help="hand the work to a cluster's scheduler (extra: cluster)")


def execute(settings: Any, console: Console) -> int:
    """Run `ttt3r evaluate`."""
    if settings.aggregate is not None:
        return report(settings.aggregate, console, settings.out)
    if settings.name and settings.protocol and settings.name != settings.protocol:
        raise ValueError(f"two protocols are named, {settings.name} and {settings.protocol}; leave one of them out")
    settings.protocol = find_protocol(settings.name or settings.protocol).name
    if settings.out is None:
        raise ValueError("ttt3r evaluate takes PROTOCOL and --out; or --aggregate OUT alone")
    choosing.parse_rules(settings.rules)  # refuses what does not exist, and names given twice
    axes = [Axis.parse(text) for text in settings.grid]
    who = contenders(RuleLabel.parse_list(settings.rules), axes)
    experiment = yaml.safe_dump({name: _plain(settings[name]) for name in SAVED}, sort_keys=False)
    file = _save(settings.out, experiment)
    if settings.jobs.count:
        return submit(settings.jobs, file, settings.out, console)
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
    run = _run_together if together else _run_here
    first = run(settings, evaluation, network, console)
    return aggregate(settings.out, console) if first else 0


def _protocol(settings: Any, network: CUT3R) -> Protocol:
    """The named protocol with what the command line changes; every change is another hash."""
    protocol = find_protocol(settings.protocol).sized(settings.size or network.config.image_size)
    if settings.lengths:
        protocol = replace(protocol, lengths=choosing.parse_lengths(settings.lengths))
    if settings.sequences:
        protocol = replace(protocol, sequences=tuple(part.strip() for part in settings.sequences.split(",")))
    if settings.reset_every is not None:
        protocol = replace(protocol, reset=Every(settings.reset_every))
    return protocol


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _save(out: Path, experiment: str) -> Path:
    """Write the settings beside the results; every experiment in the folder keeps its file."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"experiment-{stable_hash(experiment)[:8]}.yaml"
    if not file.is_file():
        with replacing(file) as partial:
            partial.write_text(experiment, "utf-8")
    return file


def _run_here(settings: Any, evaluation: Evaluation, network: CUT3R, console: Console) -> bool:
    """In this process, with a bar; always the first process."""
    shard = Shard.parse(settings.shard)
    _announce(evaluation, shard, console)
    with frame_progress(console) as progress:
        tasks: dict[str, Any] = {}

        def advance(sequence: str, frames: int) -> None:
            if sequence not in tasks:
                tasks[sequence] = progress.add_task(escape(escaped(sequence)), total=evaluation.protocol.frames)
            progress.update(tasks[sequence], completed=frames)

        evaluate(network, evaluation, settings.out, shard=shard, on_frame=advance)
    return True


def _run_together(settings: Any, evaluation: Evaluation, network: CUT3R, console: Console) -> bool:
    """In the processes of a launcher, or in some that Lightning starts; whether this is the first of them."""
    from ttt3r.evaluation.engine.distributed import (  # Lightning is loaded by those who need it
        Processes,
        evaluate_together,
    )

    accelerator = {"auto": "auto", "cpu": "cpu", "mps": "mps"}.get(settings.device, "gpu")
    launched = launched_processes()
    processes = Processes.launched(accelerator) if launched > 1 else Processes(accelerator, settings.processes)
    return evaluate_together(network, evaluation, settings.out, processes, Shard.parse(settings.shard))


def _announce(evaluation: Evaluation, shard: Shard, console: Console) -> None:
    protocol = evaluation.protocol
    entries = protocol.find(evaluation.root)
    console.print(
        f"protocol [bold]{protocol.name}[/] {protocol.hash[:12]}: {len(shard.of(entries))} of {len(entries)} sequences, "
        f"{len(evaluation.contenders)} rules, lengths {', '.join(map(str, protocol.lengths)) or 'whole'}",
        highlight=False,
    )
