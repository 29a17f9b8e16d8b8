#!/usr/bin/env bash
# Package: Pillow 13.0.0
# Behaviour: Image.fromarray takes int8 and uint32 arrays and changes their values: negative int8 become positive,
#   uint32 of 2**31 and more become negative. int16 is right.
# Expected: mode I has signed 32-bit pixels, so -3 fits; what does not fit raises TypeError, as int64 does.
# Seen: -3 becomes 253; 3000000000 becomes -1294967296.
# Instead: array.astype(np.int32) for int8; split or scale uint32 (panoptic labels, encoded depth) yourself.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import sys

import numpy as np
import PIL
from PIL import Image

print("Pillow", PIL.__version__)
seen = []
for array in (np.array([[-3]], np.int8), np.array([[3_000_000_000]], np.uint32), np.array([[-3]], np.int16)):
    image = Image.fromarray(array)
    seen.append(int(np.asarray(image)[0, 0]))
    print(array.dtype, "expected", array[0, 0], "or TypeError, seen", seen[-1], "in mode", image.mode)
sys.exit(0 if seen == [253, 3_000_000_000 - 2**32, -3] else "changed: other values")
PY
