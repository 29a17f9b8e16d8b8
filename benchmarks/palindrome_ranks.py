"""Does the palindrome rank rules as the truth does? Rank correlations over rules, on held-out worlds.

    python benchmarks/palindrome_ranks.py --rows out/ranks.csv     # prints Markdown (docs/numbers/palindrome.md)
    python benchmarks/palindrome_ranks.py --count 8 --lengths 8,16 --worlds video

Each world is shown forwards and backwards; the errors of the palindrome, which knows no truth, stand beside the true errors of
the way there. Rules are ranked by their means over worlds; the intervals are bootstraps over worlds. With --rows the numbers of
every rule and world are kept in a CSV file, and read from it where it is there.
"""

import argparse
import csv
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.stats import kendalltau, spearmanr

import ttt3r
from ttt3r.cli.choosing import parse_resets, parse_rules
from ttt3r.data.procedural import ClipTruth, sample_clips
from ttt3r.data.procedural.presets import HELD_OUT_SEED, find_world
from ttt3r.evaluation.engine.contenders import contenders_of
from ttt3r.evaluation.engine.palindrome import play
from ttt3r.evaluation.metrics.palindrome import true_errors
from ttt3r.files import write_sheet
from ttt3r.geometry import rotation_degrees

RULES = (
    "cut3r,ttt3r,constant:rate=0.6,constant:rate=0.3,constant:rate=0.1,filt3r,ttsa3r,momentum,retain,"
    "every_nth:rule=(cut3r):n=3,cut3r@8,ttt3r@8,frozen"
)
MEMORYLESS = "frozen"
SEED = HELD_OUT_SEED + 7_000
GROUP = 8
DRAWS = 2_000

FOUND = ("palindrome_rotation", "palindrome_translation_per_path", "palindrome_translation", "palindrome_log_depth")
TRUE = ("true_rotation", "true_translation", "true_ate")
COLUMNS = ("world", "frames", "rule", "number", *FOUND, *TRUE, "path")
PAIRS = (
    ("palindrome_rotation", "true_rotation"),
    ("palindrome_translation_per_path", "true_translation"),
    ("palindrome_translation_per_path", "true_ate"),
    ("palindrome_translation", "true_translation"),
    ("palindrome_translation", "true_ate"),
)

Row = tuple[str | int | float, ...]
Table = dict[str, Float[np.ndarray, "rule world"]]


def measure(name: str, frames: int, worlds: int) -> list[Row]:
    """Palindrome and truth of every rule in every world, at one length."""
    network = ttt3r.load_network("nano")
    rules = parse_rules(RULES)
    contenders = contenders_of(rules, parse_resets(rules, None))
    rows: list[Row] = []
    for first in range(0, worlds, GROUP):
        batch = min(GROUP, worlds - first)
        truth = ClipTruth.of(sample_clips(find_world(name), batch=batch, frames=frames, seed=SEED, first=first))
        true = truth.camera_to_world
        with ExitStack() as resources, torch.no_grad():
            done = play(network, contenders, truth.image, resources)
            for rule, run in done.runs.items():
                there = torch.stack(run.kept.cameras[:frames]).to(true.dtype)
                turned = rotation_degrees(there, true)[1:].mean(dim=0)
                away = (there - true)[1:, :, :3, 3].norm(dim=-1).mean(dim=0)
                for row, errors in enumerate(run.kept.errors()):
                    ate = true_errors(there[:, row].double().numpy(), true[:, row].double().numpy()).ate
                    found = (errors.rotation_degrees, errors.translation_per_path, errors.translation, errors.log_depth)
                    means = [float(values.mean()) for values in found]
                    numbers = (*means, float(turned[row]), float(away[row]), ate, errors.path.length)
                    rows.append((name, frames, rule, first + row, *numbers))
    return rows


def tables(rows: Sequence[Row]) -> Table:
    """Each number by rule and world."""
    rules, numbers = list(dict.fromkeys(row[2] for row in rows)), sorted({int(row[3]) for row in rows})
    at = {(row[2], int(row[3])): row for row in rows}
    return {
        name: np.array([[float(at[rule, number][place]) for number in numbers] for rule in rules], np.float64)
        for place, name in enumerate(COLUMNS)
        if place > 3
    }


def correlations(
    found: Float[np.ndarray, "rule world"], true: Float[np.ndarray, "rule world"], picks: Int[np.ndarray, "draw world"]
) -> list[tuple[float, float, float]]:
    """Spearman's and Kendall's correlation of the means over worlds, each with the 2.5 and 97.5 percentiles of a bootstrap."""

    def both(worlds: Int[np.ndarray, " world"]) -> tuple[float, float]:
        means = np.nanmean(found[:, worlds], axis=1), np.nanmean(true[:, worlds], axis=1)
        return float(spearmanr(*means).statistic), float(kendalltau(*means).statistic)

    whole, drawn = both(np.arange(found.shape[1])), np.array([both(pick) for pick in picks])
    low, high = np.nanpercentile(drawn, [2.5, 97.5], axis=0)
    return [(whole[one], float(low[one]), float(high[one])) for one in range(2)]


def correlation_table(rows: Sequence[Row], without: str) -> list[str]:
    """One line for each world, length and pair of errors."""
    lines = ["| world | frames | palindrome | truth | Spearman | Kendall |", "| --- | ---: | --- | --- | --- | --- |"]
    for world, frames in dict.fromkeys((row[0], row[1]) for row in rows):
        chosen = [row for row in rows if (row[0], row[1]) == (world, frames) and row[2] != without]
        table = tables(chosen)
        worlds = table["path"].shape[1]
        picks = np.random.default_rng(0).integers(worlds, size=(DRAWS, worlds))
        for one, other in PAIRS:
            found = correlations(table[one], table[other], picks)
            cells = [f"{value:.2f} [{low:.2f}, {high:.2f}]" for value, low, high in found]
            names = one.removeprefix("palindrome_").replace("_", " "), other.removeprefix("true_")
            lines.append(f"| {world} | {frames} | {names[0]} | {names[1]} | {cells[0]} | {cells[1]} |")
    return lines


def mean_table(rows: Sequence[Row]) -> list[str]:
    """Means over worlds, by rule."""
    heads = [name.replace("_", " ") for name in (*FOUND, *TRUE, "path")]
    lines = [f"| world | frames | rule | {' | '.join(heads)} |", f"| --- | ---: | --- | {'---: | ' * len(heads)}"]
    for world, frames, rule in dict.fromkeys((row[0], row[1], row[2]) for row in rows):
        chosen = [row for row in rows if row[:3] == (world, frames, rule)]
        means = np.nanmean(np.array([row[4:] for row in chosen], np.float64), axis=0)
        lines.append(f"| {world} | {frames} | {rule} | {' | '.join(f'{mean:.3f}' for mean in means)} |")
    return lines


def read_rows(path: Path) -> list[Row]:
    """What was kept by an earlier call."""
    with path.open(encoding="utf-8") as file:
        next(found := csv.reader(file))
        return [(row[0], int(row[1]), row[2], int(row[3]), *map(float, row[4:])) for row in found]


def main() -> None:
    """Measure, or read what was measured, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--worlds", default="video,tour", help="names of worlds")
    parser.add_argument("--count", type=int, default=32, help="how many of each")
    parser.add_argument("--lengths", default="8,16,32")
    parser.add_argument("--rows", type=Path, help="CSV file that keeps the numbers")
    settings = parser.parse_args()
    rows = read_rows(settings.rows) if settings.rows is not None and settings.rows.is_file() else []
    done = {(row[0], row[1]) for row in rows}
    for name in settings.worlds.split(","):
        for frames in (int(part) for part in settings.lengths.split(",")):
            if (name, frames) not in done:
                rows += measure(name, frames, settings.count)
                if settings.rows is not None:
                    write_sheet(settings.rows, COLUMNS, rows)
    print(f"**Rank correlation over {len({row[2] for row in rows}) - 1} rules, without `{MEMORYLESS}`**\n")
    print(*correlation_table(rows, MEMORYLESS), sep="\n")
    print(f"\n**The same with `{MEMORYLESS}`**\n")
    print(*correlation_table(rows, ""), sep="\n")
    print("\n**Means over worlds**\n")
    print(*mean_table(rows), sep="\n")


if __name__ == "__main__":
    main()
