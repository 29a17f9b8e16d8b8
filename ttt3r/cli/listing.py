"""Names and what is to be said of each, in two columns; long lines are folded."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text


def show_list(console: Console, entries: Iterable[tuple[str, str]], *, apart: bool = False) -> None:
    """Print a list.

    Args:
        console: for people.
        entries: a name, and what there is to say, a line or several.
        apart: whether a blank line stands between two entries.
    """
    table = Table.grid(padding=(0, 2, int(apart), 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, about in entries:
        table.add_row(Text(name), Text(about))
    console.print(table)
