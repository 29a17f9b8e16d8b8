"""The layout of the Bonn RGB-D Dynamic benchmark: that of TUM RGB-D, folders called `rgbd_bonn_*`.

Depth is 16 bit, 5000 per metre, registered to the colours. The published depth protocols pair the files of `rgb/` and
`depth/` by rank and not by time (`ByRank`). Nobody has confirmed here which body `groundtruth.txt` describes, the camera or
the markers on it: `ttt3r data check` re-projects the depth by it and says whether it fits. Do so before judging any camera.
See https://www.ipb.uni-bonn.de/data/rgbd-dynamic-dataset/
"""

from dataclasses import replace
from pathlib import Path

import ttt3r.data.readers.tum as tum
from ttt3r.data.checks.findings import Finding, Problem, Severity
from ttt3r.data.sequences.layout import Identity, Layout
from ttt3r.data.sequences.poses import pinhole, read_camera_matrix
from ttt3r.data.sequences.recording import Recording

_INTRINSICS = pinhole(
    542.822841, 542.576870, 315.593520, 237.756098
)  # of the benchmark's page; distortion is not undone


def recognises(folder: Path) -> bool:
    """Whether it is a folder in TUM layout called `rgbd_bonn_*`."""
    return "bonn" in folder.resolve().name.lower() and tum.recognises(folder)


def identify(folder: Path) -> Identity:
    """`rgbd_bonn_crowd2` is the sequence of that name; all sequences count as scenes of their own."""
    name = folder.resolve().name
    return Identity(name, name)


def read(folder: Path) -> Recording:
    """As `tum.read`, with the camera of Bonn.

    Raises:
        ValueError: if `rgb.txt` is malformed.
    """
    K, recording = read_camera_matrix(folder), tum.read(folder)
    findings = (*recording.findings, *_unlisted(folder, recording))
    return replace(recording, intrinsics=_INTRINSICS if K is None else K, findings=findings)


def _unlisted(folder: Path, recording: Recording) -> list[Finding]:
    """The published protocols sort the folders and ignore the lists."""
    found = []
    for kind, files in (("rgb", recording.images), ("depth", recording.depths)):
        held = {path.name for path in (folder / kind).glob("*.png")}
        more = held - {path.name for path in files.paths}
        if files.paths and more:
            detail = f"{folder / kind} holds {len(more)} images that {kind}.txt does not list, such as {min(more)}"
            cure = f"they are not read; remove {kind}.txt to read the folder, as the published protocols do"
            found.append(Finding(Problem.MISSING_FILE, str(folder / kind), Severity.WARNING, detail, cure))
    return found


BONN = Layout(
    name="Bonn RGB-D",
    needs="folders rgbd_bonn_NAME with rgb/ and depth/ (files called by their times), groundtruth.txt, rgb.txt, depth.txt",
    recognises=recognises,
    identify=identify,
    read=read,
    images=tum.images,
)
"""The layout of TUM RGB-D in folders `rgbd_bonn_*`."""
