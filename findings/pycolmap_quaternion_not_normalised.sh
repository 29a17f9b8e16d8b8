#!/usr/bin/env bash
# Package: pycolmap 4.2.1. The same in 3.11.1 and 3.13.0. 3.10.0 scales the quaternion to length 1.
# Behaviour: a text model whose quaternions are rounded to few decimals (as scripts write them) is read as it stands,
#   and cam_from_world then has a matrix that is no rotation: distances in the camera are off by the error of the
#   quaternion's length, squared. Rotation3d(quat) does so too. No check complains.
# Expected: COLMAP's description of images.txt says that the quaternion gives the rotation; every quaternion but zero
#   does, and a rotation keeps distances (determinant 1).
# Seen: 0.7 0.7 0 0 (a turn by 90 degrees, rounded) gives a determinant of 0.96 or so.
# Instead: scale quaternions before writing (at least 9 decimals), or after reading: Rotation3d(q /
#   np.linalg.norm(q)).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check pycolmap==4.2.1 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import pathlib
import sys

import numpy as np
import pycolmap

model = pathlib.Path("model")
model.mkdir()
(model / "cameras.txt").write_text("1 PINHOLE 640 480 500 500 320 240\n")
(model / "images.txt").write_text("1 0.7 0.7 0 0 0 0 0 1 a.png\n\n")
(model / "points3D.txt").write_text("")
pose = pycolmap.Reconstruction(str(model)).images[1].cam_from_world()
point = np.array([0.0, 0.0, 10.0])
seen = float(np.linalg.det(pose.rotation.matrix()))
print("pycolmap", pycolmap.__version__)
print("expected determinant 1, seen", round(seen, 4))
print("expected distance 10, seen", round(float(np.linalg.norm(pose * point)), 4))
quat = pose.rotation.quat
scaled = pycolmap.Rotation3d(quat / np.linalg.norm(quat))
assert abs(np.linalg.det(scaled.matrix()) - 1) < 1e-12
sys.exit(0 if abs(seen - 1) > 0.01 else "changed: the matrix is a rotation")
PY
