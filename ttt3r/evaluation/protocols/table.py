"""The protocols by name: the published ones, on the frames that the papers took, and those for new work.

A published protocol measures twice, as the published scripts do (`official/...`) and strictly, in one run. `NAME/strict` takes
the frames without what is wrong in the published choice, and measures strictly only.
"""

import difflib
from collections.abc import Iterable, Mapping

from ttt3r.data import CropToPatches, StretchToPatches
from ttt3r.data.sequences.selection import SELECTIONS, FrameSelection
from ttt3r.evaluation.measures.depth import OfficialDepth, StrictDepth
from ttt3r.evaluation.measures.points import OfficialPoints, StrictPoints
from ttt3r.evaluation.measures.trajectory import StrictTrajectory
from ttt3r.evaluation.measures.trajectory_official import OfficialTrajectory
from ttt3r.evaluation.protocols.base import Protocol
from ttt3r.evaluation.protocols.sources import BenchmarkSequences, FolderSequences, ProceduralWorlds
from ttt3r.evaluation.tasks.base import Task
from ttt3r.evaluation.tasks.cameras import CameraTask
from ttt3r.evaluation.tasks.depth import DepthTask
from ttt3r.evaluation.tasks.gains import GainTask
from ttt3r.evaluation.tasks.points import PointsTask

LADDER = (50, 90, *range(100, 401, 50), *range(500, 1001, 100))
"""Lengths at which published curves have a number; those below a protocol's cap come from the same run."""

_KITTI_SEGMENTS = tuple(float(length) for length in range(100, 801, 100))

_CAMERAS = CameraTask((OfficialTrajectory(), StrictTrajectory()))
_TASKS: Mapping[str, tuple[Task, Task]] = {  # by dataset: as published and strictly, strictly only
    "scannet": (_CAMERAS, CameraTask()),
    "tum": (_CAMERAS, CameraTask()),
    "sintel": (_CAMERAS, CameraTask()),
    "kitti-odometry": (_CAMERAS, CameraTask((StrictTrajectory(segments=_KITTI_SEGMENTS),))),
    "posed": (CameraTask(), CameraTask()),
    "replica": (CameraTask(), CameraTask()),
    "eth3d-slam": (CameraTask(), CameraTask()),
    "euroc": (CameraTask(), CameraTask()),
    "oxford-spires": (CameraTask(), CameraTask()),
    "vbr": (CameraTask(), CameraTask()),
    "nerfstudio": (CameraTask(), CameraTask()),
    "bonn": (DepthTask((OfficialDepth(), StrictDepth()), max_depth=70.0, samples=None), DepthTask(max_depth=70.0)),
    "kitti-depth": (DepthTask((OfficialDepth(), StrictDepth()), samples=None), DepthTask()),
    "nyu": (DepthTask(), DepthTask()),
    "7scenes": (PointsTask((OfficialPoints(), StrictPoints())), PointsTask()),
    "nrgbd": (PointsTask((OfficialPoints(), StrictPoints())), PointsTask()),
}
_SINTEL_DEPTH = (
    DepthTask((OfficialDepth(clip=70.0), StrictDepth(clip=70.0)), max_depth=70.0, samples=None, single=True),
    DepthTask((StrictDepth(clip=70.0),), max_depth=70.0),
)


def _published(selection: FrameSelection) -> Iterable[Protocol]:
    """The protocol of a published selection, and its strict form."""
    official, strict = _SINTEL_DEPTH if selection.name == "sintel/depth" else _TASKS[selection.dataset]
    policy = StretchToPatches(512) if isinstance(official, DepthTask) else CropToPatches(512)
    lengths = () if selection.cap is None else tuple(n for n in (*LADDER, selection.cap) if n <= selection.cap)
    for name, frames, task in (
        (selection.name, selection, official),
        (f"{selection.name}/strict", selection.strict(), strict),
    ):
        yield Protocol(
            name,
            selection.dataset,
            BenchmarkSequences(frames),
            lengths=lengths,
            policy=policy,
            tasks=(task, GainTask()),
        )


PROTOCOLS: Mapping[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("folder", "folder", FolderSequences()),
        Protocol("worlds", "worlds", ProceduralWorlds(), lengths=(10, 20, 80)),
        *(protocol for selection in SELECTIONS.values() for protocol in _published(selection)),
    )
}
"""All protocols by name; `folder` takes any sequences with ground truth, `worlds` needs no files."""


def find_protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        ValueError: if there is none, with those that look alike.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    like = difflib.get_close_matches(name, PROTOCOLS, n=3)
    hint = f"did you mean {' or '.join(like)}? " if like else ""
    families = sorted({known.partition("/")[0] for known in PROTOCOLS})
    raise ValueError(
        f"no protocol {name!r}; {hint}there are folder, worlds, and those of {', '.join(families)} (docs/how-to/evaluate.md)"
    )
