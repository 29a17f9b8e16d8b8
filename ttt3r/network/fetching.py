"""A published checkpoint, fetched once: downloaded, checked before anything in it is read, converted, kept.

At every moment the network's folder is whole or not there. An interrupted download goes on with the next call.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from ttt3r.files import is_partial, locked
from ttt3r.network.checkpoint import WEIGHTS, load_network, save_network
from ttt3r.network.downloading import Source
from ttt3r.network.published import FetchedFrom, PublishedCheckpoint, Tell, downloads, file_sha256, home, silent

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LICENCE_FILE = "LICENCE.txt"
"""Name of the file in a fetched network's folder that says whose the weights are."""


def fetch(
    checkpoint: PublishedCheckpoint, source: Source, tell: Tell = silent, keep: bool = False, overwrite: bool = False
) -> Path:
    """The folder of a published network; it is downloaded, checked and converted if it is not there.

    Whether the licence is accepted is for the caller to ask.

    Args:
        checkpoint: which.
        source: where the file comes from. A file of its name in the folder of downloads is taken first.
        tell: is told how far the work is.
        keep: leave a downloaded file in the folder of downloads.
        overwrite: also if the network is there.

    Raises:
        OSError: if the file cannot be had, or the disk has no room.
        ValueError: if the file is not the published one, or another process is fetching.
    """
    room = home()
    try:
        for folder in (room, downloads(), checkpoint.folder.parent):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"cannot make {room} ({error.strerror or error}); set TTT3R_HOME to a folder of your own"
        ) from error
    with locked(room, "fetch", cure="wait for it, or set TTT3R_HOME to another folder"), _room_for_all(room):
        for left in checkpoint.folder.parent.iterdir():
            if is_partial(left.name):  # of a process that was killed
                shutil.rmtree(left, ignore_errors=True)
        if checkpoint.folder.exists() and not overwrite:
            _demand_whole(checkpoint, tell)
            return checkpoint.folder
        file, ours = _official(checkpoint, source, tell)
        _convert(checkpoint, file, source.words if ours or not source.makes_it else str(file), tell)
        if ours and not keep:
            file.unlink()
    return checkpoint.folder


def _official(checkpoint: PublishedCheckpoint, source: Source, tell: Tell) -> tuple[Path, bool]:
    """The published file, checked; and whether it was made here and now."""
    put, part = downloads() / checkpoint.file, downloads() / f"{checkpoint.file}.part"
    given = source.makes_it and put.exists()
    ours = source.makes_it and not given
    have = min(part.stat().st_size if part.exists() else 0, checkpoint.size) if ours else checkpoint.size
    _demand_room(2 * checkpoint.size - have)  # what is converted is about as large
    file = put if given else source.obtain(checkpoint, tell)
    again = f"remove it, and run {checkpoint.command}" if given else "give another file with --mirror"
    cure = "it was removed: run the same command again, or give another --mirror or --repo" if ours else again
    size = file.stat().st_size
    digest = file_sha256(file, tell) if size == checkpoint.size else ""
    if digest == checkpoint.sha256:
        return file, ours
    if ours:
        file.unlink(missing_ok=True)
    if not digest:
        raise ValueError(f"{file} has {size} bytes where {checkpoint.file} has {checkpoint.size}; {cure}")
    raise ValueError(f"{file} is not the published file: its SHA-256 is {digest}, expected {checkpoint.sha256}; {cure}")


def _convert(checkpoint: PublishedCheckpoint, file: Path, origin: str, tell: Tell) -> None:
    """Write the network beside its place, and put it there whole."""
    tell("converting", 0, 1)
    network = load_network(file)
    target = checkpoint.folder
    made, old = (target.parent / f".{secrets.token_hex(6)}.partial" for _ in range(2))
    try:
        save_network(network, made)
        tell("converting", 1, 1)
        weights = file_sha256(made / WEIGHTS, tell, "recording")
        FetchedFrom(checkpoint.file, checkpoint.size, checkpoint.sha256, weights, origin, checkpoint.notice).save(made)
        changes = "Changed here: converted to safetensors, weights renamed, those without influence left out."
        (made / LICENCE_FILE).write_text(f"{checkpoint.notice}\n{changes}\n", encoding="utf-8")
        if target.exists():
            target.replace(old)
        made.replace(target)
    finally:
        for left in (made, old):
            shutil.rmtree(left, ignore_errors=True)


def _demand_whole(checkpoint: PublishedCheckpoint, tell: Tell) -> None:
    """A network that is there must be the one that was put there."""
    cure = f"run {checkpoint.command} --overwrite"
    try:
        record, weights = FetchedFrom.of(checkpoint.folder), file_sha256(checkpoint.folder / WEIGHTS, tell)
    except (OSError, ValueError) as error:
        raise ValueError(f"{checkpoint.folder} is not whole ({error}); {cure}") from error
    if record.sha256 != checkpoint.sha256 or record.weights_sha256 != weights:
        raise ValueError(f"{checkpoint.folder} is damaged, or of another file (see its SHA-256); {cure}")


def _demand_room(needed: int) -> None:
    free = shutil.disk_usage(home()).free
    if free < needed:
        raise OSError(_full(f"{home()} has {free / 1e9:.3g} GB left where {needed / 1e9:.3g} GB are needed"))


@contextmanager
def _room_for_all(room: Path) -> Iterator[None]:
    """A full disk, in one line."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OSError(_full(f"the disk of {room} is full ({os.strerror(error.errno)})")) from error
    except SafetensorError as error:
        raise OSError(_full(f"cannot write the weights into {room} ({error})")) from error


def _full(what: str) -> str:
    return f"{what}; free some, or set TTT3R_HOME to a folder on another disk, and run it again: a download goes on"
