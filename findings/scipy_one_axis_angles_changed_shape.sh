#!/usr/bin/env bash
# Package: SciPy 1.17.1. 1.16.3 gives other shapes.
# Behaviour: Rotation.from_euler with one axis reads a list of N angles as one rotation of N angles. One angle in a
#   list gives a single rotation, where 1.16.3 gave a stack of one; two or more raise ValueError.
# Expected: the documentation of 1.16 says that for a single axis an array of shape (N,) holds N rotations. Code for
#   an orbit of cameras, from_euler("y", angles), was written by that.
# Seen: from_euler("z", [10]) has a matrix of shape (3, 3) instead of (1, 3, 3); from_euler("z", [0, 359]) raises.
# Instead: give the angles as a column, np.asarray(angles)[:, None]: both versions take it alike.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import sys

import numpy as np
import scipy
from scipy.spatial.transform import Rotation


def shape(angles):
    try:
        return Rotation.from_euler("z", angles, degrees=True).as_matrix().shape
    except ValueError as error:
        return f"ValueError: {error}"


seen = [shape(angles) for angles in ([10], [0, 359], np.array([0, 359])[:, None])]
print("scipy", scipy.__version__)
print("expected", [(1, 3, 3), (2, 3, 3), (2, 3, 3)])
print("seen    ", seen)
held = seen[0] == (3, 3) and str(seen[1]).startswith("ValueError") and seen[2] == (2, 3, 3)
sys.exit(0 if held else "changed: the shapes are others")
PY
