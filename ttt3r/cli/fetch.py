"""Download a published checkpoint, once you accept its licence; check its hash, convert it, and keep it for `--network`.

It lies in TTT3R_HOME (default: ~/.cache/ttt3r). A download that was cut off goes on with the same command.
"""

from dataclasses import dataclass
from typing import Annotated

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ttt3r.cli.options import Option, Settings
from ttt3r.cli.strict import did_you_mean
from ttt3r.network.fetching import fetch
from ttt3r.network.hub import source_of
from ttt3r.network.published import PUBLISHED


@dataclass(frozen=True, kw_only=True)
class FetchSettings(Settings):
    """What `ttt3r fetch` takes."""

    name: Annotated[str, Option(f"of the checkpoint: {', '.join(PUBLISHED)}", positional=True)]
    accept_licence: Annotated[bool, Option("you have read its licence and accept it")] = False
    repo: Annotated[str | None, Option("Hugging Face repository that holds the file, OWNER/NAME")] = None
    mirror: Annotated[str | None, Option("file or folder on this machine, or web address, in place of it")] = None
    keep: Annotated[bool, Option("keep the official .pth as well, in the folder downloads")] = False
    overwrite: Annotated[bool, Option("fetch it again")] = False


def execute(settings: FetchSettings, console: Console) -> int:
    """Run `ttt3r fetch`.

    Raises:
        ValueError: without the licence's acceptance, which it shows.
    """
    checkpoint = PUBLISHED.get(settings.name)
    if checkpoint is None:
        hint = did_you_mean(settings.name, list(PUBLISHED))
        raise ValueError(f"no published checkpoint is called {settings.name!r}; known are {', '.join(PUBLISHED)}{hint}")
    console.print(escape(checkpoint.notice), highlight=False, soft_wrap=True)
    if not settings.accept_licence:
        raise ValueError(f"nothing was downloaded: accept the licence above with {checkpoint.command}")
    source = source_of(checkpoint, settings.repo, settings.mirror)
    with _Bars(console) as bars:
        folder = escape(str(fetch(checkpoint, source, bars.tell, settings.keep, settings.overwrite)))
    said = f"{checkpoint.name}, SHA-256 as published -> [bold]{folder}[/]; use it with --network {checkpoint.name}"
    console.print(said, highlight=False, soft_wrap=True)
    return 0


class _Bars:
    """A bar for each kind of work, gone at the end."""

    def __init__(self, console: Console) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
        self._progress = Progress(*columns, console=console, transient=True)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "_Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, what: str, done: int, total: int) -> None:
        """Move the bar of this work."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=done)
