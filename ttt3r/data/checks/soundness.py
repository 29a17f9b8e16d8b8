"""Run after every reader: what cannot be used of a recording is taken out before anything is computed, and reported."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from ttt3r.data.checks.findings import Finding, Problem, Severity
from ttt3r.data.checks.rigid import with_rigid_poses
from ttt3r.data.sequences.recording import Files, Recording


def sound(recording: Recording) -> Recording:
    """The recording without links to nothing and invalid camera matrices, with poses that are rigid motions or NaN."""
    name = recording.name
    images, dead_images = _reachable(recording.images, "images", name)
    depths, dead_depths = _reachable(recording.depths, "depth maps", name)
    K, no_camera = _camera(recording.intrinsics, "intrinsics", name)
    depth_K, no_depth_camera = _camera(recording.depth_intrinsics, "intrinsics of the depth", name)
    checked = {path: _camera(matrix, "intrinsics", str(path)) for path, matrix in recording.own_intrinsics.items()}
    no_camera += [finding for _, found in checked.values() for finding in found][:1]
    own = {path: matrix for path, (matrix, _) in checked.items() if matrix is not None}
    findings = (*recording.findings, *dead_images, *dead_depths, *no_camera, *no_depth_camera)
    recording = replace(
        recording,
        images=images,
        depths=depths,
        intrinsics=K,
        own_intrinsics=own,
        depth_intrinsics=depth_K,
        findings=findings,
    )
    return with_rigid_poses(recording)


def _reachable(files: Files, kind: str, name: str) -> tuple[Files, list[Finding]]:
    """The files without links to nothing, which the other checks of lists take for files."""
    here = [i for i, path in enumerate(files.paths) if not path.is_symlink() or path.exists()]
    if len(here) == len(files):
        return files, []
    gone = next(path for path in files.paths if path.is_symlink() and not path.exists())
    detail = f"{len(files) - len(here)} of {len(files)} {kind} of {name} are links to nothing, such as {gone}"
    found = Finding(
        Problem.MISSING_FILE, str(gone), Severity.ERROR, detail, "copy the files themselves, or repair the links"
    )
    return Files(tuple(files.paths[i] for i in here), files.stamps[here]), [found]


def _camera(
    K: Float[np.ndarray, "3 3"] | None, kind: str, name: str
) -> tuple[Float[np.ndarray, "3 3"] | None, list[Finding]]:
    if K is None or (np.isfinite(K).all() and K[0, 0] * K[1, 1] != 0 and np.allclose(K[2], [0, 0, 1])):
        return K, []
    rows = "; ".join(" ".join(f"{number:.4g}" for number in row) for row in K)
    detail = f"the {kind} of {name} are no camera matrix: {rows}"
    cure = "they are not used; write fx 0 cx; 0 fy cy; 0 0 1 in pixels"
    return None, [Finding(Problem.CAMERA_MODEL, name, Severity.ERROR, detail, cure)]
