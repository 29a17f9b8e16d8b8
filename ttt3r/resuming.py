"""Whether a run may go on: is the source still the one that it has read."""

from contextlib import closing

from ttt3r.data import FrameSource
from ttt3r.export import RunFolder, RunStatus
from ttt3r.export.source_table import image_hash


def is_at_its_end(source: FrameSource, folder: RunFolder) -> bool:
    """Whether a run that ended well has read this source, untouched since, to its end; found without reading a frame."""
    if folder.record.status is not RunStatus.COMPLETE:
        return False
    read = folder.record.extra.get("source", {})
    return source.stamp() is not None and bool(read.get("all")) and read.get("all") == source.stamp()


def check_same_frames(source: FrameSource, folder: RunFolder) -> bool:
    """Check that a source still begins with the frames that a run has done; what follows them may be new.

    Files that nobody touched are not read again. All others are: the prepared images count, not names or times.

    Args:
        source: the frames, from the beginning.
        folder: an older run, before it is restored.

    Returns:
        Whether the frames could be compared: a live camera's cannot, nor those of a run of an older release.

    Raises:
        ValueError: naming the first frame that differs.
    """
    read, done = folder.record.extra.get("source", {}), folder.done()
    now = source.stamp(read.get("position"))
    if now is None or done is None:
        return False
    if now and now == read.get("stamp") and read.get("frames", 0) >= len(done):
        return True
    cure = f"put back what it read, start again with --overwrite, or take another folder than {folder.path} with --out"
    with closing(iter(source)) as frames:
        for number, (name, digest) in enumerate(done):
            item = next(frames, None)
            if item is None:
                raise ValueError(f"frame {number} of this run was {name}, but {source.name} ends before; {cure}")
            if image_hash(item.image) != digest:
                now_there = "is another picture now" if item.name == name else f"is now {item.name}"
                raise ValueError(f"frame {number} of this run was {name}, which in {source.name} {now_there}; {cure}")
    return True
