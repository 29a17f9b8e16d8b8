"""`ttt3r compare worlds`: rules on held-out procedural worlds, all side by side in one pass."""

import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape

import ttt3r.cli.choosing as choosing
from ttt3r.cli.compare_settings import CompareSettings
from ttt3r.cli.comparison_folder import REPORT, clear
from ttt3r.cli.comparison_folder import WORLDS as CSV
from ttt3r.cli.run import frame_progress
from ttt3r.data.procedural import find_world
from ttt3r.evaluation.measures.worlds import RECALL
from ttt3r.evaluation.report.tables import Table
from ttt3r.evaluation.report.writing import ReportSettings, write_report
from ttt3r.evaluation.worlds.difference_plot import plot_differences
from ttt3r.evaluation.worlds.plots import plot_errors_by_length, plot_forgetting, plot_recall
from ttt3r.evaluation.worlds.rows import units_of
from ttt3r.evaluation.worlds.study import WorldPlan, WorldStudy, run_study
from ttt3r.evaluation.worlds.tables import paired_tables, tables_of, write_tables
from ttt3r.files import write_text
from ttt3r.network.config import RayForm
from ttt3r.types import LengthUnit

SUMMARY = "summary.md"
"""File of the first table."""


def compare_worlds(settings: CompareSettings, lengths: Sequence[int], console: Console) -> int:
    """Score the rules, ask their memories for earlier frames, print and write tables and pictures."""
    plan = WorldPlan(settings.worlds, tuple(sorted(set(lengths))), find_world(settings.world), speed=settings.speed)
    rules = choosing.parse_rules(settings.rules)
    network = choosing.load(settings, console)
    if network.config.unit is not LengthUnit.FIRST_VIEW or network.config.ray_form is not RayForm.DIRECTION:
        console.print(
            "[yellow]these worlds ask in units of the first view and by pure directions, and this network was trained in "
            f"{network.config.unit.value} with rays of the form {network.config.ray_form.value}[/]: translations and recall "
            "mean little; rotations are comparable",
            highlight=False,
        )
    passes = 1 + settings.controls
    with frame_progress(console) as progress, choosing.precision(settings):
        task = progress.add_task(f"{len(rules)} rules, worlds", total=passes * plan.worlds * max(plan.lengths))
        study = run_study(
            network,
            rules,
            plan,
            resets=choosing.parse_resets(rules, settings.reset_every),
            controls=settings.controls,
            chunk=settings.chunk,
            on_frame=partial(progress.advance, task),
        )
    trained = choosing.longest_clip(settings.network)
    tables = tables_of(study, trained)
    for table in tables:
        table.show(console, 100)
    for name, stop in study.stopped.items():
        console.print(f"[yellow]{escape(name)} did not come to the end[/]: {escape(stop.note)}", highlight=False)
    if settings.out is not None:
        clear(settings.out, CSV)
        write_tables(study, settings.out / CSV, settings.out / "recall.csv")
        write_text(settings.out / "tables.md", "\n".join(table.markdown() for table in tables))
        write_text(settings.out / SUMMARY, _summary(tables[0], settings, plan))
        made = [CSV, "recall.csv", "tables.md", SUMMARY, *_draw(study, settings.out, ([*rules], trained), console)]
        facts = {"network": choosing.fingerprint(settings.network)}
        pairs = tuple(paired_tables(study.scores)) if len(study.scores.gain) > 1 else ()
        about = ReportSettings(f"Rules on procedural worlds ({plan.name}), by length", RECALL.name, tables=pairs)
        write_report(units_of(study, facts), settings.out / REPORT, about)
        console.print(f"[bold]{settings.out}[/]: {', '.join([*made, f'{REPORT}/report.html'])}", highlight=False)
    return 1 if study.stopped else 0


def _summary(table: Table, settings: CompareSettings, plan: WorldPlan) -> str:
    """The first table, with the command that makes it."""
    words = f"ttt3r compare worlds --network {settings.network} --rules {shlex.quote(settings.rules)} --worlds {plan.worlds} "
    words += f"--world {settings.world} {f'--speed {settings.speed:g} ' * (settings.speed != 1)}"
    words += f"--lengths {','.join(map(str, plan.lengths))}{' --controls' * settings.controls}"
    return f"<!-- {words} -->\n\n{table.markdown()}"


def _draw(study: WorldStudy, out: Path, shown: tuple[list[str], int | None], console: Console) -> list[str]:
    """Pictures of the rules that were asked for, where matplotlib is installed; what was made."""
    asked_for, trained = shown
    made = ["errors.png", "recall.png", "forgetting.png"]
    try:
        plot_errors_by_length(out / "errors.png", study.scores, trained, asked_for)
        if len(asked_for) > 1:
            plot_differences(out / "differences.png", study.scores, trained, asked_for)
            made.insert(1, "differences.png")
        plot_recall(out / "recall.png", study.asked, asked_for)
        plot_forgetting(out / "forgetting.png", study.asked, asked_for)
    except ImportError as error:
        console.print(f"no pictures: {error}", highlight=False, markup=False)
        return []
    return made
