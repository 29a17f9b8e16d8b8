"""`ttt3r compare worlds`: rules on held-out procedural worlds, all side by side in one pass."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ttt3r.cli import choosing
from ttt3r.data.procedural import ClipTruth, sample_clips
from ttt3r.data.procedural.presets import HELD_OUT_SEED, NANO_WORLD, TRAINING_LENGTH
from ttt3r.evaluation.worlds import RecallScores, WorldScores, mean_and_interval, other_scene, recall, score_worlds
from ttt3r.types import Memory

CSV = "worlds.csv"


def compare_worlds(settings: Any, lengths: list[int], console: Console) -> int:
    """Score the rules, ask their memories for earlier frames, print and write the tables."""
    if settings.worlds < 2:
        raise ValueError(
            f"--worlds must be at least 2 (intervals, and another scene as a control), got {settings.worlds}"
        )
    rules = choosing.parse_rules(settings.rules)
    network = choosing.load(settings, console)
    device = next(network.parameters()).device
    clip = sample_clips(NANO_WORLD, batch=settings.worlds, frames=max(lengths), seed=HELD_OUT_SEED, device=device)
    truth = ClipTruth.of(clip)
    asked: list[RecallScores] = []

    def ask(index: int, memories: Mapping[str, Memory]) -> None:
        if index + 1 in lengths:
            first = next(iter(memories))
            everyone = {**memories, "another scene": other_scene(memories[first])}
            frames = sorted({int(k) for k in np.linspace(0, index, 9)})
            asked.append(recall(network, everyone, truth, index + 1, frames))

    with torch.no_grad():
        scores = score_worlds(network, rules, truth, lengths, reset_every=settings.reset_every, on_frame=ask)
    console.print(_errors(scores, settings.worlds))
    console.print(_recalled(asked))
    if settings.out is not None:
        _write(scores, asked, settings.out)
        console.print(f"the table: [bold]{settings.out / CSV}[/]", highlight=False)
    return 0


def _errors(scores: WorldScores, worlds: int) -> Table:
    table = Table(
        title=f"{worlds} held-out worlds: mean and 95 % interval",
        caption=f"lengths in units of the first view's mean distance; trained on at most {TRAINING_LENGTH} frames",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("frames", justify="right")
    table.add_column("rule", overflow="fold")
    for heading in ("rotation deg", "translation", "AbsRel", "gain"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row, length in enumerate(scores.lengths):
        for rule in scores.ate:
            fields = (scores.rotation_degrees, scores.translation, scores.depth_abs_rel)
            cells = [_cell(field[rule][row]) for field in fields]
            table.add_row(str(length), escape(rule), *cells, f"{scores.gain[rule].mean():.2f}")
        table.add_section()
    return table


def _recalled(asked: list[RecallScores]) -> Table:
    table = Table(
        title="Recall: asked for an earlier frame by its rays",
        caption="explained variance of its colours, mean over questions; 0 is the mean colour of the view",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("after", justify="right")
    names = list(asked[0].color) if asked else []
    for name in names:
        table.add_column(escape(name), justify="right")
    for scores in asked:
        table.add_row(str(scores.asked_after), *(_cell(scores.color[name].mean(axis=0)) for name in names))
    return table


def _cell(values: Float[np.ndarray, " world"]) -> str:
    mean, half = mean_and_interval(values)
    return f"{mean:.3f}±{half:.3f}"


def _write(scores: WorldScores, asked: list[RecallScores], out: Path) -> None:
    """One row for each rule, length and world; and one for each question."""
    fields = ("rotation_degrees", "translation", "ate", "depth_abs_rel")
    with open(out / CSV, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["rule", "frames", "world", *fields, "gain"])
        for rule in scores.ate:
            tables = (scores.rotation_degrees, scores.translation, scores.ate, scores.depth_abs_rel)
            for row, length in enumerate(scores.lengths):
                for world in range(len(scores.gain[rule])):
                    values = [table[rule][row, world] for table in tables]
                    writer.writerow([rule, length, world, *values, scores.gain[rule][world]])
    with open(out / "recall.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["rule", "after", "frame", "world", "color", "points"])
        for answer in asked:
            for rule in answer.color:
                for row, frame in enumerate(answer.frames):
                    for world, value in enumerate(answer.color[rule][row]):
                        writer.writerow(
                            [rule, answer.asked_after, frame, world, value, answer.points[rule][row, world]]
                        )
