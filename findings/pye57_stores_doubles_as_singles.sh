#!/usr/bin/env bash
# Package: pye57 0.4.19
# Behaviour: write_scan_raw takes float64 coordinates and stores them in single precision. read_scan_raw gives float64
#   back, which looks as if nothing was lost.
# Expected: E57 (ASTM E2807) is a format for surveys and has double precision for coordinates; what is written as
#   float64 and read as float64 is the same.
# Seen: points in UTM coordinates are off by up to 0.12 m or more.
# Instead: write coordinates relative to the scanner and give the offset as translation, which stays double.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check pye57==0.4.19 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
import pye57

points = np.random.default_rng(0).uniform(0, 10, (100, 3)) + [500_000, 4_000_000, 100]
axes = ("cartesianX", "cartesianY", "cartesianZ")
with pye57.E57("a.e57", mode="w") as file:
    file.write_scan_raw({name: np.ascontiguousarray(points[:, n]) for n, name in enumerate(axes)})
with pye57.E57("a.e57") as file:
    scan = file.read_scan_raw(0)
read = np.stack([scan[name] for name in axes], 1)
error = float(np.abs(read - points).max())
print("pye57", version("pye57"), "written", points.dtype, "read", read.dtype)
print("expected an error of 0, seen", round(error, 3), "m")
sys.exit(0 if error > 0.05 and read.dtype == np.float64 else "changed: doubles are kept")
PY
