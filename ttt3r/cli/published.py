"""`ttt3r compare RESULTS --against paper`: numbers of an evaluation beside those that were published."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ttt3r.cli.comparison_folder import PAPER as CSV
from ttt3r.cli.comparison_folder import clear
from ttt3r.evaluation.protocols.paper import published_values
from ttt3r.evaluation.report.against import against_paper
from ttt3r.evaluation.report.facts import paper_table
from ttt3r.evaluation.report.results import collect
from ttt3r.evaluation.results.files import read_folder
from ttt3r.files import write_text


def compare_with_paper(folders: Sequence[str], out: Path | None, console: Console) -> int:
    """Print ours, theirs and the difference, for every number that somebody has published under the same protocol.

    Args:
        folders: of results, written by `ttt3r evaluate`.
        out: where `paper.csv` goes, if anywhere.
        console: prints to the terminal.

    Raises:
        ValueError: if a folder holds no results, or nothing was published under their protocols.
    """
    units, networks = [], dict[str, None]()
    for folder in folders:
        try:
            reading = read_folder(folder)
        except FileNotFoundError:
            raise ValueError(
                f"{folder} holds no results to set against published numbers; make some by a named protocol first: "
                f"ttt3r evaluate tum/1000 --root DATA --out {folder}"
            ) from None
        units += reading.units
        networks |= dict.fromkeys(unit.settings.get("network", "unknown") for unit in reading.units)
        for line in reading.broken:
            console.print(f"[red]{escape(line)}[/]", highlight=False, soft_wrap=True)
    beside = against_paper(collect(units))
    if not beside:
        known = ", ".join(dict.fromkeys(value.protocol for value in published_values()))
        ours = ", ".join(dict.fromkeys(row.protocol for unit in units for row in unit.rows))
        raise ValueError(f"nothing was published under {ours} for these rules; there are numbers under {known}")
    table = paper_table(beside)
    table.show(console)
    names = ", ".join(networks)
    console.print(
        f"ours: network {escape(names)}; published numbers are of the official weights", highlight=False, soft_wrap=True
    )
    if out is not None:
        clear(out, CSV)
        write_text(out / CSV, table.csv())
        console.print(f"the table: [bold]{out / CSV}[/]", highlight=False)
    return 0
