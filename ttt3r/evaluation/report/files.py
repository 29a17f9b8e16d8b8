"""The files of a report by name, and how those of an older one go."""

import re
from pathlib import Path

from ttt3r.files import is_partial

_TABLES = "table|summary|other_set|other_means|comparisons|other_metrics|gains|costs|paper|failures|remarks|settings"
_FIGURES = "errors|pairs|costs|gains"
_FILE = re.compile(rf"report\.html|table\.md|table\.tex|(?:{_TABLES})(?:_\d+)?\.csv")
_FIGURE = re.compile(rf"(?:{_FIGURES})(?:_\d+)?\.(?:png|pdf)")
"""All that a report may write; with several slices a number follows."""


def remove_report(folder: str | Path) -> None:
    """Remove the report in a folder, if there is one, and what a kill left unfinished; files of other names stay.

    Raises:
        OSError: if it cannot be removed.
    """
    for place, ours in ((Path(folder), _FILE), (Path(folder) / "figures", _FIGURE)):
        if place.is_dir():
            for path in place.iterdir():
                if (ours.fullmatch(path.name) or is_partial(path.name)) and path.is_file():
                    path.unlink()
