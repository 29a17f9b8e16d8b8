"""`ttt3r compare worlds`: rules on held-out procedural worlds, all side by side in one pass."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from ttt3r.cli import choosing
from ttt3r.cli.run import frame_progress
from ttt3r.data.procedural import ClipTruth, sample_clips
from ttt3r.data.procedural.presets import HELD_OUT_SEED, NANO_WORLD, TRAINING_LENGTH
from ttt3r.evaluation.accounting import equal_gain_constants
from ttt3r.evaluation.forgetting import RecallScores, questions_after, recall, with_controls
from ttt3r.evaluation.report.writing import ReportSettings, write_report
from ttt3r.evaluation.world_plots import plot_errors_by_length, plot_forgetting, plot_recall
from ttt3r.evaluation.world_rows import units_of
from ttt3r.evaluation.world_study import WorldStudy
from ttt3r.evaluation.world_tables import tables_of, write_tables
from ttt3r.evaluation.worlds import mean_depth_image, score_worlds
from ttt3r.network import CUT3R
from ttt3r.types import Memory
from ttt3r.update_rules import Anneal, ConstantRate, StateUpdateRule, TokenMean

CSV = "worlds.csv"
CONSTANT = "constant of "
"""Beginning of the name of a gate's control of equal mean gain."""

GROUP = 8
"""Worlds side by side in a pass: as many as keep two cores busy without much memory."""


def compare_worlds(settings: Any, lengths: list[int], console: Console) -> int:
    """Score the rules, ask their memories for earlier frames, print and write tables and pictures."""
    if settings.worlds < 2:
        raise ValueError(
            f"--worlds must be at least 2 (intervals, and another scene as a control), got {settings.worlds}"
        )
    rules = choosing.parse_rules(settings.rules)
    resets = choosing.parse_resets(rules, settings.reset_every)
    network = choosing.load(settings, console)
    lengths = sorted(set(lengths))
    study = _study(network, (rules, resets), lengths, settings, console)
    if settings.controls:
        controls = control_rules(rules, study)
        control_resets = {name: resets.get(name.partition(" of ")[2]) for name in controls}
        study = study.with_rules(_study(network, (controls, control_resets), lengths, settings, console))
    for table in tables_of(study):
        for part in table.rich(min(console.width, 100)):
            console.print(part)
    if settings.out is not None:
        made = _write(study, settings.out, console)
        facts = {"network": choosing.fingerprint(settings.network), "worlds": str(settings.worlds)}
        control_of = {name: name.partition(" of ")[2] for name in study.scores.gain if name.startswith(CONSTANT)}
        title = "Rules on procedural worlds, by length"
        write_report(
            units_of(study, facts, control_of), settings.out / "report", ReportSettings(title, "rotation_degrees")
        )
        console.print(f"[bold]{settings.out}[/]: {', '.join([*made, 'report/report.html'])}", highlight=False)
    return 0


def control_rules(rules: Mapping[str, StateUpdateRule], study: WorldStudy) -> dict[str, StateUpdateRule]:
    """For every gate: the constant of equal mean gain, and the gate averaged over its tokens; and the plain average, 1/t."""
    # A rule with resets and the same without have one control.
    first = {str(rules[name]): name for name in reversed(list(rules))}
    constants = equal_gain_constants(
        {name: study.books[name][-1] for name in sorted(first.values(), key=[*rules].index)}
    )
    controls: dict[str, StateUpdateRule] = {}
    for name, constant in constants.items():
        controls[f"{CONSTANT}{name}"] = constant
        controls[f"token mean of {name}"] = TokenMean(rules[name])
    return controls | {"1/t": Anneal(ConstantRate(1.0), horizon=1.0)}


def _study(
    network: CUT3R,
    contenders: tuple[Mapping[str, StateUpdateRule], Mapping[str, int | None]],
    lengths: list[int],
    settings: Any,
    console: Console,
) -> WorldStudy:
    """One pass of all rules over all worlds, a group of worlds at a time."""
    rules, resets = contenders
    device = next(network.parameters()).device
    known = sample_clips(NANO_WORLD, batch=64, frames=TRAINING_LENGTH, seed=0, device=device)
    mean_depth = mean_depth_image(ClipTruth.of(known))
    parts: list[WorldStudy] = []
    with torch.no_grad(), frame_progress(console) as progress:
        task = progress.add_task(f"{len(rules)} rules, worlds", total=settings.worlds * max(lengths))
        for first in range(0, settings.worlds, GROUP):
            batch = min(GROUP, settings.worlds - first)
            clip = sample_clips(
                NANO_WORLD, batch=batch, frames=max(lengths), seed=HELD_OUT_SEED, first=first, device=device
            )
            truth, asked = ClipTruth.of(clip), []

            def ask(
                index: int,
                memories: Mapping[str, Memory],
                truth: ClipTruth = truth,
                asked: list[RecallScores] = asked,
                batch: int = batch,
            ) -> None:
                progress.advance(task, batch)
                if index + 1 in lengths and batch > 1:
                    everyone = with_controls(network, memories)
                    asked.append(recall(network, everyone, truth, index + 1, questions_after(index + 1)))

            scores, books = score_worlds(network, rules, truth, lengths, reset_every=resets, on_frame=ask)
            parts.append(WorldStudy(scores.with_mean_depth(mean_depth, truth), tuple(asked), books))
    return WorldStudy.joined(parts)


def _write(study: WorldStudy, out: Path, console: Console) -> list[str]:
    """Tables as CSV and Markdown and, where matplotlib is installed, pictures. Returns what was made."""
    write_tables(study, out / CSV, out / "recall.csv")
    (out / "tables.md").write_text("\n".join(table.markdown() for table in tables_of(study)), encoding="utf-8")
    made = [CSV, "recall.csv", "tables.md"]
    try:
        plot_errors_by_length(out / "errors.png", study.scores, TRAINING_LENGTH)
        plot_recall(out / "recall.png", study.asked)
        plot_forgetting(out / "forgetting.png", study.asked, [*study.scores.gain])
        made += ["errors.png", "recall.png", "forgetting.png"]
    except ImportError as error:
        console.print(f"no pictures: {error}", highlight=False, markup=False)
    return made
