"""Where a published file comes from: a web address, or a file that is here already; `hub.py` has Hugging Face.

A download that was cut off goes on where it ended. What arrives counts as nothing until its size and hash are checked.
"""

import http.client
import os
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ttt3r.network.published import PublishedCheckpoint, Tell, downloads

_PIECE = 1 << 20
_PATIENCE = 60  # seconds without a byte


class Source(ABC):
    """Where a published file comes from."""

    makes_it: bool = True
    """Whether the file is made here, and may be removed when it has served."""

    @property
    @abstractmethod
    def words(self) -> str:
        """For messages and records."""

    @abstractmethod
    def obtain(self, checkpoint: PublishedCheckpoint, tell: Tell) -> Path:
        """The whole file on this machine; of the size that was expected, not yet checked further.

        Raises:
            OSError: if it cannot be had; says how to go on.
        """


def put_here(checkpoint: PublishedCheckpoint) -> str:
    """The end of a message where nothing can be downloaded."""
    return (
        f"run the same command again to go on; on a machine without network put {checkpoint.file} (see {checkpoint.page}) into "
        f"{downloads()} first, or name its place with --mirror"
    )


@dataclass(frozen=True)
class LocalMirror(Source):
    """The file itself, or a folder that holds it."""

    path: Path
    makes_it = False

    @property
    def words(self) -> str:
        """The path."""
        return str(self.path)

    def obtain(self, checkpoint: PublishedCheckpoint, tell: Tell) -> Path:
        """The file, where it lies."""
        file = self.path / checkpoint.file if self.path.is_dir() else self.path
        if not file.is_file():
            raise FileNotFoundError(
                f"no file at {file}; give a folder that holds {checkpoint.file}, or the file itself"
            )
        return file


@dataclass(frozen=True)
class WebMirror(Source):
    """A web address of the file, or of a folder that holds it."""

    address: str

    @property
    def words(self) -> str:
        """The address."""
        return self.address

    def obtain(self, checkpoint: PublishedCheckpoint, tell: Tell) -> Path:
        """Download the file, from where an earlier download ended."""
        last = urlsplit(self.address).path.rsplit("/", 1)[-1]
        whole = last == checkpoint.file or last.endswith(".pth")
        url = self.address if whole else f"{self.address.rstrip('/')}/{checkpoint.file}"
        return download(url, checkpoint, tell)


class NotThere(FileNotFoundError):
    """A server has no file at an address."""


def download(url: str, checkpoint: PublishedCheckpoint, tell: Tell, token: str | None = None) -> Path:
    """A published file into the folder of downloads, from where an earlier download ended.

    Args:
        url: of the file.
        checkpoint: what it should be.
        tell: is told how far it is.
        token: who asks, for the server of `url` alone: it is not sent on to another, and to none without https.

    Raises:
        OSError: if it does not arrive as a whole; what did arrive is kept.
    """
    target, part = downloads() / checkpoint.file, downloads() / f"{checkpoint.file}.part"
    have = part.stat().st_size if part.exists() else 0
    if have > checkpoint.size:
        part.unlink()
        have = 0
    if have < checkpoint.size:
        have = _go_on(url, checkpoint, part, have, tell, token)
    if have != checkpoint.size:
        raise OSError(
            f"the download of {url} ended after {have} of {checkpoint.size} bytes, which are kept; {put_here(checkpoint)}"
        )
    os.replace(part, target)
    return target


def _go_on(
    url: str, checkpoint: PublishedCheckpoint, part: Path, have: int, tell: Tell, token: str | None
) -> int:  # fmt: skip
    """How many bytes there are when the server has said all, or the connection broke."""
    try:
        response = _open(url, have, token)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # the file there is shorter than what is here: of another file
            part.unlink()
        kind = NotThere if error.code == 404 else OSError
        final = 400 <= error.code < 500 and error.code not in (408, 416, 429)
        cure = "give another place with --mirror or --repo" if final else put_here(checkpoint)
        raise kind(f"{url} answers {error.code} {error.reason}; {cure}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise OSError(f"cannot reach {url} ({reason or type(error).__name__}); {put_here(checkpoint)}") from error
    with response:
        have = have if response.status == 206 else 0  # a server that knows no parts begins at the beginning
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and have + int(length) != checkpoint.size:
            part.unlink(missing_ok=True)
            raise OSError(
                f"{url} has {have + int(length)} bytes where {checkpoint.file} has {checkpoint.size}: it is another file; "
                "give another --mirror or --repo"
            )
        return _save(response, part, have, checkpoint, tell)


def _save(
    response: http.client.HTTPResponse, part: Path, have: int, checkpoint: PublishedCheckpoint, tell: Tell
) -> int:
    """Append what arrives, up to the size of the file; how many bytes there are then, also if the connection breaks."""
    with part.open("r+b" if part.exists() else "wb") as file:
        file.truncate(have)
        file.seek(have)
        while have < checkpoint.size:
            try:
                piece = response.read(min(_PIECE, checkpoint.size - have))
            except (OSError, http.client.HTTPException):
                break
            if not piece:
                break
            file.write(piece)
            have += len(piece)
            tell("downloading", have, checkpoint.size)
    return have


class _NoOtherScheme(urllib.request.HTTPRedirectHandler):
    """Follows to https, and from http to http where the user named such an address; nowhere else."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: Any,
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The next request; refuses another scheme."""
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if after not in ("https", before):
            raise urllib.error.URLError(f"it leads on to {newurl[:80]}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str, have: int, token: str | None) -> http.client.HTTPResponse:
    request = urllib.request.Request(url, headers={"User-Agent": "ttt3r"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    if token is not None and urlsplit(url).scheme == "https":
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    return urllib.request.build_opener(_NoOtherScheme).open(request, timeout=_PATIENCE)
