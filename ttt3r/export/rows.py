"""Text files that grow by one row a frame and survive a kill at any time."""

import os
from dataclasses import dataclass
from pathlib import Path

from ttt3r.files import replacing


@dataclass(frozen=True)
class RowFile:
    """A text file of header lines and one row per frame.

    The file is opened, written and closed for every row: whatever kills the run, the rows before it are in the file.

    Args:
        path: the file; made with its header by the first row.
        header: lines before the first row, without line ends.
    """

    path: Path
    header: tuple[str, ...]

    def append(self, row: str) -> None:
        """Add one row, given without its line end. On a full disk the file stays as it was."""
        with self.path.open("ab", buffering=0) as file:  # a buffer would try again as the file is closed
            end = file.seek(0, os.SEEK_END)
            lines = (*self.header, row) if end == 0 else (row,)
            data = "".join(f"{line}\n" for line in lines).encode()
            try:
                while data:
                    data = data[file.write(data) :]
            except OSError:
                file.truncate(end)
                raise

    def sync(self) -> None:
        """Have the rows on the disk; a file that does not exist stays so."""
        if self.path.exists():
            with self.path.open("rb+") as file:
                os.fsync(file.fileno())

    def truncate(self, rows: int) -> None:
        """Keep the first `rows` rows; an unfinished last line goes too. A file that does not exist stays so.

        Raises:
            ValueError: if the file has fewer rows, that is, if it was changed from outside.
        """
        if not self.path.exists():
            return
        if rows == 0:
            self.path.unlink()  # a kill may have cut the header
            return
        complete = self.path.read_bytes().split(b"\n")[:-1]
        if len(complete) < rows + len(self.header):
            found = max(len(complete) - len(self.header), 0)
            raise ValueError(f"{self.path} has {found} rows, but {rows} frames were done; start again with --overwrite")
        kept = complete[: rows + len(self.header)]
        with replacing(self.path) as partial:
            partial.write_bytes(b"".join(line + b"\n" for line in kept))
