"""Checkpoints that others publish: what each file is, under which licence, and where a fetched one is kept here.

    ttt3r fetch cut3r-512 --accept-licence     ->  load_network("cut3r-512")

What is kept lies in the folder `TTT3R_HOME`; without that variable in `XDG_CACHE_HOME/ttt3r`, else in `~/.cache/ttt3r`.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ttt3r.files import write_text
from ttt3r.untrusted import read_json, reading

RECORD = "source.json"
"""Name of the file in a fetched network's folder that says what it was made of."""

Tell = Callable[[str, int, int], None]
"""Is told how far some work is: what is done, bytes so far, bytes in all."""


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class PublishedCheckpoint:
    """A file of weights that its authors publish.

    Args:
        name: under which it is loaded.
        file: its name.
        size: bytes.
        sha256: of the file, hexadecimal.
        repository: on Hugging Face that holds it, `datasets/OWNER/NAME` or `models/OWNER/NAME`.
        authors: whose work it is.
        page: of the authors, which links to the file.
        licence: its short name.
        licence_page: where its text stands.
    """

    name: str
    file: str
    size: int
    sha256: str
    repository: str
    authors: str
    page: str
    licence: str
    licence_page: str

    @property
    def folder(self) -> Path:
        """Where it lies, converted, once it is fetched."""
        return home() / "networks" / self.name

    @property
    def command(self) -> str:
        """What fetches it."""
        return f"ttt3r fetch {self.name} --accept-licence"

    @property
    def notice(self) -> str:
        """Whose it is, and what the licence asks for."""
        return (
            f"{self.file} is the work of {self.authors} ({self.page}). It is published under {self.licence}, whose text is at "
            f"{self.licence_page}: no commercial use, credit to the authors, and the same licence for what is derived from it. "
            "This package is under another licence and holds no part of it."
        )


CUT3R_512 = PublishedCheckpoint(
    "cut3r-512",
    "cut3r_512_dpt_4_64.pth",
    3_173_761_006,
    "45f7e98a0a64dbeb54901ae2b878cd8cd125f20a4497316483f0bd6f109f8103",
    "datasets/zhangify/CUT3R_release",
    "the authors of CUT3R (Wang et al., CVPR 2025)",
    "https://github.com/CUT3R/CUT3R",
    "CC BY-NC-SA 4.0",
    "https://creativecommons.org/licenses/by-nc-sa/4.0/",
)
"""The network of CUT3R and TTT3R. Size and SHA-256 as four independent records give them."""

PUBLISHED: dict[str, PublishedCheckpoint] = {CUT3R_512.name: CUT3R_512}
"""By the name under which `load_network` and `--network` know it."""


@dataclass(frozen=True)
class FetchedFrom:
    """What a fetched network was made of.

    Args:
        file: name of the published file.
        size: bytes of it.
        sha256: of it, as measured before it was read.
        weights_sha256: of the weights that were made of it.
        origin: where it came from.
        notice: whose it is.
    """

    file: str
    size: int
    sha256: str
    weights_sha256: str
    origin: str
    notice: str

    def save(self, folder: Path) -> None:
        """Write it into a network's folder."""
        write_text(folder / RECORD, json.dumps(asdict(self), indent=2) + "\n")

    @staticmethod
    def of(folder: Path) -> "FetchedFrom":
        """What a folder's record says.

        Raises:
            ValueError: if it has none, or a damaged one.
        """
        if not (folder / RECORD).is_file():
            raise ValueError(
                f"{folder} does not say which file it was made of ({RECORD}); give the official .pth, or a folder that "
                "`ttt3r fetch` wrote"
            )
        with reading(folder / RECORD, "what a network was made of", "fetch it again (--overwrite)"):
            found = read_json(folder / RECORD)
            texts = {key: str(found[key]) for key in ("file", "sha256", "weights_sha256", "origin", "notice")}
            return FetchedFrom(size=int(found["size"]), **texts)


def home() -> Path:
    """The folder of what is fetched.

    Raises:
        ValueError: if nothing says where that could be.
    """
    own, caches = os.environ.get("TTT3R_HOME"), os.environ.get("XDG_CACHE_HOME")
    try:
        if own:
            return Path(own).expanduser()
        return (Path(caches) if caches else Path.home() / ".cache") / "ttt3r"
    except RuntimeError as error:
        raise ValueError(f"{error}; set TTT3R_HOME to a folder for what is fetched") from error


def downloads() -> Path:
    """Where published files lie as they are, whole ones and parts."""
    return home() / "downloads"


def resolve(source: str | Path) -> Path:
    """The path that a word for a network stands for: what lies there; else a fetched network's folder; else the word itself."""
    path, published = Path(source), PUBLISHED.get(str(source))
    return path if published is None or path.exists() else published.folder


def file_sha256(path: Path, tell: Tell = silent, what: str = "checking") -> str:
    """SHA-256 of a file, hexadecimal, piece by piece.

    Args:
        path: the file.
        tell: is told how far it is.
        what: to tell.

    Raises:
        OSError: if it cannot be read.
    """
    digest, done, total = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while piece := file.read(1 << 23):
            digest.update(piece)
            done += len(piece)
            tell(what, done, total)
    return digest.hexdigest()
