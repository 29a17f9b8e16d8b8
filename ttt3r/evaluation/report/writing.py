"""The entry point: from the results of units to a folder with tables, figures and one HTML page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ttt3r.evaluation.plots.palette import rule_styles
from ttt3r.evaluation.report.against import AgainstPaper, against_paper
from ttt3r.evaluation.report.aggregate import Aggregation, StrictMean
from ttt3r.evaluation.report.arrays import UnitArrays, read_usable_arrays
from ttt3r.evaluation.report.contents import Means, gain_tables, overall_table, summary_tables
from ttt3r.evaluation.report.costs import RuleCosts, cost_table, mean_costs
from ttt3r.evaluation.report.facts import failure_table, paper_table, remark_table, setting_table
from ttt3r.evaluation.report.failing import Failure, failures
from ttt3r.evaluation.report.figures import Drawer, Figure
from ttt3r.evaluation.report.files import remove_report
from ttt3r.evaluation.report.metrics import primary_metric
from ttt3r.evaluation.report.page import Page
from ttt3r.evaluation.report.pair_table import comparison_table
from ttt3r.evaluation.report.pairing import Comparing, PairedComparison, baseline_of
from ttt3r.evaluation.report.results import Results, collect
from ttt3r.evaluation.report.scenes import Scene, make_scenes, plotly_script
from ttt3r.evaluation.report.tables import Table
from ttt3r.evaluation.report.verdict import Verdict, VerdictBasis, verdicts
from ttt3r.evaluation.results.current import current_of
from ttt3r.evaluation.results.rows import UnitResult
from ttt3r.files import locked, write_text


@dataclass(frozen=True)
class ReportSettings:
    """What a report is about.

    Args:
        title: of the page.
        primary: the metric that the verdict goes by; empty for the first of `PRIMARY` that the rows hold.
        baseline: the rule that others are compared with; empty for `cut3r`, or else the first.
        aggregation: how the numbers of sequences become one.
        against: published numbers to show beside ours, see `against_paper`.
        seed: of everything that is drawn at random.
        notes: lines that the page shows, e.g. what was left out.
        tables: further ones, made elsewhere, to stand behind those of the report.
    """

    title: str = "Update rules compared"
    primary: str = ""
    baseline: str = ""
    aggregation: Aggregation = StrictMean()
    against: bool = False
    seed: int = 0
    notes: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Report:
    """Everything that a report says, before it is written: all forms are made from these tables.

    Args:
        settings: that it was made with.
        results: the rows in order.
        means: of all slices.
        primary: the metric that the verdict goes by.
        comparisons: by metric, the primary one first.
        failures: what is missing.
        verdicts: one for each slice.
        tables: means, comparisons, gains, costs, published values.
        facts: failures, remarks, settings.
    """

    settings: ReportSettings
    results: Results
    means: Means
    primary: str
    comparisons: tuple[tuple[PairedComparison, ...], ...]
    failures: tuple[Failure, ...]
    verdicts: tuple[Verdict, ...]
    tables: tuple[Table, ...]
    facts: tuple[Table, ...]

    @property
    def written(self) -> tuple[Table, ...]:
        """All tables that have rows."""
        return tuple(table for table in (*self.tables, *self.facts) if table.rows)


def make_report(units: Iterable[UnitResult], settings: ReportSettings = ReportSettings()) -> Report:
    """Put everything together; nothing is written.

    Args:
        units: results of any subset of an evaluation.
        settings: what the report is about.

    Raises:
        ValueError: without rows, with two numbers for one place, without a metric to judge by, or for an unknown `primary` or
            `baseline`.
    """
    units = current_of(units).units
    results = collect(units)
    primary = settings.primary or primary_metric(results.metrics, results.metric)
    baseline = settings.baseline or baseline_of(results)
    for name, wanted, known in (("primary", primary, results.metrics), ("baseline", baseline, results.rules)):
        if wanted not in known:
            raise ValueError(f"{name} is {wanted!r}, and the rows know only {', '.join(known)}")
    means = Means.of(results, settings.aggregation)
    comparing = Comparing(settings.aggregation, baseline, seed=settings.seed)
    directed = [name for name in results.metrics if results.metric(name).directed and name != primary]
    comparisons = tuple(comparing.compare_all(results, name) for name in (primary, *directed))
    failed, costs = failures(results), mean_costs(units)
    against = against_paper(results) if settings.against else ()
    evidence = VerdictBasis(means, primary, comparisons[0], failed, costs, baseline)
    return Report(
        settings=settings,
        results=results,
        means=means,
        primary=primary,
        comparisons=comparisons,
        failures=failed,
        verdicts=verdicts(evidence),
        tables=(
            *_tables(means, comparisons, costs, baseline),
            *_against(against, settings.against),
            *settings.tables,
        ),
        facts=(failure_table(failed), remark_table(results.rows, units), setting_table(units, results)),
    )


def _tables(
    means: Means, comparisons: Sequence[tuple[PairedComparison, ...]], costs: Mapping[str, RuleCosts], baseline: str
) -> tuple[Table, ...]:
    first, others = comparisons[0], [one for family in comparisons[1:] for one in family]
    heading = first[0].metric.heading if first else ""
    summary = summary_tables(means, [*first, *others], baseline)
    tables = [*summary, comparison_table(first, "comparisons", f"{heading}: rules in pairs")]
    tables.append(comparison_table(others, "other_metrics", "Other metrics: rules in pairs"))
    return (*tables, *gain_tables(means), cost_table(costs, means.results.rules))


def _against(found: Sequence[AgainstPaper], wanted: bool) -> tuple[Table, ...]:
    return (paper_table(found),) if wanted else ()


def write_report(
    units: Iterable[UnitResult], out: str | Path, settings: ReportSettings = ReportSettings(), arrays: str | Path = ""
) -> Report:
    """Write a report into a folder, in the place of an older one, of which nothing stays: numbers first, then pictures.

        table.csv                      all means in one sheet
        NAME.csv                       each table of the report: comparisons, gains, costs, failures, ...
        table.md, table.tex            all tables
        figures/NAME.png, NAME.pdf     needs matplotlib
        report.html                    everything in one file

    Args:
        units: results of any subset of an evaluation.
        out: the folder; made if it is not there.
        settings: what the report is about.
        arrays: the folder that `UnitResult.arrays` are named from; by default the working folder.

    Raises:
        ValueError: as `make_report`, and if another process writes a report into the folder.
    """
    current, folder = current_of(units), Path(out)
    units, (found, broken) = current.units, read_usable_arrays(current.units, Path(arrays))
    report = make_report(units, replace(settings, notes=(*settings.notes, *current.aside, *broken)))
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, "report", "wait for it, or choose another folder"):
        remove_report(folder)
        write_text(folder / "table.csv", overall_table(report.means).csv())
        for table in report.written:
            write_text(folder / f"{table.name}.csv", table.csv())
        write_text(folder / "table.md", "\n".join(table.markdown() for table in report.written))
        write_text(folder / "table.tex", "\n".join(table.latex() for table in report.written))
        page = make_page(report, units, found)
        if page.figures:
            (folder / "figures").mkdir(exist_ok=True)
        for figure in page.figures:
            figure.save(folder / "figures")
        write_text(folder / "report.html", page.html())
    return report


def make_page(report: Report, units: Sequence[UnitResult], arrays: Sequence[UnitArrays]) -> Page:
    """The page of a report; what needs a library that is not installed is left out, and the page says so.

    Args:
        report: to show.
        units: with costs.
        arrays: for the curves of gains and the interactive view.
    """
    results, notes = report.results, [*report.settings.notes]
    styles = rule_styles(results.rules)
    figures: tuple[Figure, ...] = ()
    scenes: tuple[Scene, ...] = ()
    script = ""
    try:
        figures = _figures(report, Drawer(report.means, styles, report.settings.seed), units, arrays)
    except ImportError as error:
        notes.append(f"No figures: {error}.")
    try:
        scenes = make_scenes(results, arrays, styles)
        script = plotly_script() if scenes else ""
    except ImportError as error:
        scenes = ()
        notes.append(f"No interactive view: {error}.")
    count = len({(row.dataset, row.sequence) for row in results.rows})
    subtitle = f"{len(results.asked)} rules, {count} sequences, {', '.join(part.label for part in results.slices)}; "
    subtitle += f"{report.means.aggregation.name} means; judged by {results.metric(report.primary).heading}"
    return Page(
        title=report.settings.title,
        subtitle=subtitle,
        verdicts=report.verdicts,
        styles=tuple((rule, styles[rule]) for rule in results.rules),
        tables=report.tables,
        figures=figures,
        scenes=scenes,
        plotly=script,
        notes=tuple(notes),
        facts=report.facts,
    )


def _figures(
    report: Report, drawer: Drawer, units: Sequence[UnitResult], arrays: Sequence[UnitArrays]
) -> tuple[Figure, ...]:
    made, costs = [], mean_costs(units)
    for number, part in enumerate(report.results.slices, start=1):
        local = report.results.of(part)
        end = "" if len(report.results.slices) == 1 else f"_{number}"
        if report.primary in local.metrics:
            made.append(drawer.errors(part, report.primary, f"errors{end}"))
            if pairs := [one for one in report.comparisons[0] if one.slice == part and one.sequences]:
                made.append(drawer.pairs(pairs, f"pairs{end}"))
            if any(costs[rule].main > 0 for rule in local.rules if rule in costs):
                made.append(drawer.costs(part, report.primary, costs, f"costs{end}"))
        if any(one.slice == part and len(one.gain_mean) for one in arrays):
            made.append(drawer.gains(part, arrays, f"gains{end}"))
    return tuple(made)
