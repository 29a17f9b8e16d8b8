#!/usr/bin/env bash
# Package: laspy 2.7.0
# Behaviour: a new LasData or laspy.create() has a scale of 0.01, so coordinates in metres are rounded to whole
#   centimetres as they are set, and float colours of 0..1 are cut to 0 and 1, without a word.
# Expected: LAS stores integers with a scale from the header, so a limit is no surprise; but a cloud of a room or an
#   object turns into steps of 1 cm with nothing said.
# Seen: an error of 5 mm for points of a room; a colour of 0.9 becomes 0.
# Instead: set header.scales = [1e-5] * 3 and header.offsets = points.min(0) before the coordinates; give colours as
#   (65535 * colour).astype(np.uint16).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check laspy==2.7.0 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import sys

import laspy
import numpy as np

points = np.random.default_rng(0).uniform(0, 5, (100, 3))
plain = laspy.create(point_format=2)
plain.xyz = points
plain.red = np.full(100, 0.9)
fine_header = laspy.LasHeader(point_format=2)
fine_header.scales, fine_header.offsets = [1e-5] * 3, points.min(0)
fine = laspy.LasData(fine_header)
fine.xyz = points
errors = []
for name, cloud in (("plain", plain), ("fine", fine)):
    cloud.write(f"{name}.las")
    errors.append(float(np.abs(laspy.read(f"{name}.las").xyz - points).max()))
colour = int(laspy.read("plain.las").red[0])
print("laspy", laspy.__version__, "expected an error far below 1 mm, and a bright red")
print("seen", round(1000 * errors[0], 2), "mm,", round(1000 * errors[1], 4), "mm with a fine scale, red", colour)
sys.exit(0 if errors[0] > 0.004 and errors[1] < 1e-5 and colour == 0 else "changed: another default")
PY
