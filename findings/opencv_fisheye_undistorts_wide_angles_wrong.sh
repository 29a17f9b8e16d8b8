#!/usr/bin/env bash
# Package: opencv-python-headless 5.0.0.93
# Behaviour: cv2.fisheye.undistortPoints cuts the distorted angle at 90 degrees. With a lens that stretches the edge
#   (positive k1) an angle of incidence far below 90 degrees has a distorted one above, and such pixels get a
#   direction too near to the axis, without a word.
# Expected: the model (theta_d = theta * (1 + k1 theta^2 + ...)) sets no limit for theta_d; undistortPoints is the
#   inverse of cv2.fisheye.projectPoints.
# Seen: right up to 1.2 rad; at 1.25, 1.3 and 1.4 rad the tangent is 2.83, 3.04 and 3.54 instead of 3.01, 3.60 and
#   5.80.
# Instead: solve theta_d(theta) yourself with Newton's method, or use pycolmap's Camera.cam_from_img (OPENCV_FISHEYE).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import sys

import cv2
import numpy as np

camera = np.array([[500.0, 0, 800], [0, 500, 600], [0, 0, 1]])
lens = np.array([0.1, 0.05, 0.01, 0.001])
print("OpenCV", cv2.__version__)
wrong = []
for angle in (1.0, 1.2, 1.25, 1.3, 1.4):
    point = np.array([[[np.sin(angle), 0.0, np.cos(angle)]]])
    pixel = cv2.fisheye.projectPoints(point, np.zeros(3), np.zeros(3), camera, lens)[0]
    back = cv2.fisheye.undistortPoints(pixel, camera, lens)[0, 0, 0]
    distorted = (pixel[0, 0, 0] - 800) / 500
    print("angle", angle, "distorted", round(distorted, 3), "expected", round(np.tan(angle), 3), "seen", round(back, 3))
    if abs(back / np.tan(angle) - 1) > 0.01:
        wrong.append(angle)
sys.exit(0 if wrong == [1.25, 1.3, 1.4] else f"changed: wrong at {wrong}")
PY
