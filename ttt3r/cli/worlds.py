"""`ttt3r compare worlds`: rules on held-out procedural worlds, all side by side in one pass."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from ttt3r.cli import choosing
from ttt3r.cli.run import frame_progress
from ttt3r.data.procedural.presets import TRAINING_LENGTH
from ttt3r.evaluation.forgetting import RECALL
from ttt3r.evaluation.report.writing import ReportSettings, write_report
from ttt3r.evaluation.world_plots import plot_errors_by_length, plot_forgetting, plot_recall
from ttt3r.evaluation.world_rows import units_of
from ttt3r.evaluation.world_study import CONSTANT, WorldPlan, WorldStudy, control_rules, run_study
from ttt3r.evaluation.world_tables import summary_table, tables_of, write_tables
from ttt3r.network.config import RayForm
from ttt3r.reconstructor import RecurrentNetwork
from ttt3r.types import LengthUnit
from ttt3r.update_rules import StateUpdateRule

CSV, SUMMARY = "worlds.csv", "summary.md"


def compare_worlds(settings: Any, lengths: list[int], console: Console) -> int:
    """Score the rules, ask their memories for earlier frames, print and write tables and pictures."""
    plan = WorldPlan(settings.worlds, tuple(sorted(set(lengths))))
    rules = choosing.parse_rules(settings.rules)
    resets = choosing.parse_resets(rules, settings.reset_every)
    network = choosing.load(settings, console)
    if network.config.unit is not LengthUnit.FIRST_VIEW or network.config.ray_form is not RayForm.DIRECTION:
        console.print(
            "[yellow]these worlds ask in units of the first view and by pure directions, and this network was trained in "
            f"{network.config.unit.value} with rays of the form {network.config.ray_form.value}[/]: translations and recall "
            "mean little; rotations are comparable",
            highlight=False,
        )
    with choosing.precision(settings):
        study = _run(network, (rules, resets), plan, console)
    if settings.controls:
        controls = control_rules(rules, study)
        control_resets = {name: resets.get(name.partition(" of ")[2]) for name in controls}
        with choosing.precision(settings):
            study = study.with_rules(_run(network, (controls, control_resets), plan, console))
    for table in tables_of(study):
        for part in table.rich(min(console.width, 100)):
            console.print(part)
    if settings.out is not None:
        made = _write(study, settings.out, [*rules], console)
        (settings.out / SUMMARY).write_text(_summary(study, settings, plan), encoding="utf-8")
        made.append(SUMMARY)
        facts = {"network": choosing.fingerprint(settings.network), "worlds": str(settings.worlds)}
        control_of = {name: name.removeprefix(CONSTANT) for name in study.scores.gain if name.startswith(CONSTANT)}
        about = ReportSettings("Rules on procedural worlds, by length", RECALL.name)
        write_report(units_of(study, facts, control_of), settings.out / "report", about)
        console.print(f"[bold]{settings.out}[/]: {', '.join([*made, 'report/report.html'])}", highlight=False)
    return 0


def _run(
    network: RecurrentNetwork,
    contenders: tuple[Mapping[str, StateUpdateRule], Mapping[str, int | None]],
    plan: WorldPlan,
    console: Console,
) -> WorldStudy:
    """One pass, with a bar."""
    rules, resets = contenders
    with frame_progress(console) as progress:
        task = progress.add_task(f"{len(rules)} rules, worlds", total=plan.worlds * max(plan.lengths))
        return run_study(network, rules, plan, resets=resets, on_frame=lambda frames: progress.advance(task, frames))


def _summary(study: WorldStudy, settings: Any, plan: WorldPlan) -> str:
    """The first table, with the command that makes it."""
    words = f"ttt3r compare worlds --network {settings.network} --rules {settings.rules} --worlds {plan.worlds} "
    words += f"--lengths {','.join(map(str, plan.lengths))}{' --controls' * settings.controls}"
    return f"<!-- {words} -->\n\n{summary_table(study).markdown()}"


def _write(study: WorldStudy, out: Path, asked_for: list[str], console: Console) -> list[str]:
    """Tables as CSV and Markdown and, where matplotlib is installed, pictures of the rules that were asked for.

    Returns what was made.
    """
    write_tables(study, out / CSV, out / "recall.csv")
    (out / "tables.md").write_text("\n".join(table.markdown() for table in tables_of(study)), encoding="utf-8")
    made = [CSV, "recall.csv", "tables.md"]
    try:
        plot_errors_by_length(out / "errors.png", study.scores, TRAINING_LENGTH, asked_for)
        plot_recall(out / "recall.png", study.asked, asked_for)
        plot_forgetting(out / "forgetting.png", study.asked, asked_for)
        made += ["errors.png", "recall.png", "forgetting.png"]
    except ImportError as error:
        console.print(f"no pictures: {error}", highlight=False, markup=False)
    return made
