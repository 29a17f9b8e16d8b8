#!/usr/bin/env bash
# Package: pycolmap 4.2.1, viser 1.1.1, transforms3d 0.4.2, opencv-python-headless 5.0.0.93
# Behaviour: all four turn a matrix that mirrors (determinant -1, for example diag(1, 1, -1) out of a wrong change of
#   axes) into some quaternion or rotation vector without a word, each into another one; pycolmap and viser give a
#   quaternion that has not even length 1.
# Expected: a mirroring is no rotation, and no quaternion stands for it, so an error. SciPy's Rotation.from_matrix
#   raises.
# Seen: the identity, or a turn by 180 degrees about one of three axes. Poses that were mirrored by mistake look
#   plausible after that.
# Instead: check np.linalg.det(matrix) > 0, or go through scipy.spatial.transform.Rotation.from_matrix.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  pycolmap==4.2.1 viser==1.1.1 transforms3d==0.4.2 opencv-python-headless==5.0.0.93 scipy==1.17.1 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import sys
from importlib.metadata import version

import cv2
import numpy as np
import pycolmap
import transforms3d
import viser.transforms
from scipy.spatial.transform import Rotation

mirror = np.diag([1.0, 1.0, -1.0])
made = {
    "pycolmap": pycolmap.Rotation3d(mirror).matrix(),
    "viser": viser.transforms.SO3.from_matrix(mirror).as_matrix(),
    "transforms3d": transforms3d.quaternions.quat2mat(transforms3d.quaternions.mat2quat(mirror)),
    "opencv-python-headless": cv2.Rodrigues(cv2.Rodrigues(mirror)[0])[0],
}
print("expected: an error for diag(1, 1, -1)")
accepted = 0
for name, matrix in made.items():
    print("seen", name, version(name), "->", np.round(matrix, 3).tolist())
    accepted += not np.allclose(matrix, mirror)
print("lengths of the quaternions: pycolmap", np.linalg.norm(pycolmap.Rotation3d(mirror).quat), end=", ")
print("viser", np.linalg.norm(viser.transforms.SO3.from_matrix(mirror).wxyz))
try:
    Rotation.from_matrix(mirror)
    sys.exit("changed: SciPy takes it too")
except ValueError as error:
    print("SciPy", version("scipy"), "raises:", error)
sys.exit(0 if accepted == 4 else f"changed: {accepted} of 4 made a rotation of it")
PY
