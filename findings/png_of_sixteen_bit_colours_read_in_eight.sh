#!/usr/bin/env bash
# Package: Pillow 13.0.0, imageio 2.38.1 (its default reader is Pillow)
# Behaviour: a PNG with three channels of 16 bits is opened as 8 bits: the low byte is dropped without a word. One
#   channel of 16 bits keeps all.
# Expected: the PNG specification (ISO/IEC 15948) has 16 bits for colour too. KITTI stores optical flow in such files,
#   (value - 32768) / 64 pixels, and others store normals.
# Seen: imageio.v3.imread gives uint8; the flow steps are 4 pixels, so a flow of 1.5 pixels is read as 0.
# Instead: cv2.imread(path, cv2.IMREAD_UNCHANGED), which gives 16 bits with blue, green, red.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  pillow==13.0.0 imageio==2.38.1 opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import sys

import cv2
import imageio
import imageio.v3
import numpy as np
import PIL
from PIL import Image

flow = np.array([1.5, -2.25])
stored = np.full((4, 4, 3), [*(flow * 64 + 32768), 1]).astype(np.uint16)
cv2.imwrite("flow.png", stored[..., ::-1])
by_opencv = cv2.imread("flow.png", cv2.IMREAD_UNCHANGED)[..., ::-1]
by_imageio = imageio.v3.imread("flow.png")
by_pillow = np.asarray(Image.open("flow.png"))
print("Pillow", PIL.__version__, "imageio", imageio.__version__, "OpenCV", cv2.__version__)
print("expected", stored[0, 0].tolist(), "uint16, the flow", flow.tolist())
for name, read in (("OpenCV", by_opencv), ("imageio", by_imageio), ("Pillow", by_pillow)):
    scale = 256 if read.dtype == np.uint8 else 1
    guess = ((read[0, 0, :2].astype(float) * scale - 32768) / 64).tolist()
    print("seen", name, read[0, 0].tolist(), read.dtype, "the flow", guess)
held = by_imageio.dtype == by_pillow.dtype == np.uint8 and np.array_equal(by_opencv, stored)
sys.exit(0 if held else "changed: 16 bits are kept")
PY
