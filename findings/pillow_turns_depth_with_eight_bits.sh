#!/usr/bin/env bash
# Package: Pillow 13.0.0
# Behaviour: rotate and transform with BILINEAR or BICUBIC work on single bytes of a 16-bit picture (mode I;16, what a
#   depth PNG opens as). The result keeps the mode and has other numbers: no value is near the right one.
# Expected: values between those of the neighbours, as resize gives in the same mode and rotate in mode F; or an
#   error, as other operations raise for this mode.
# Seen: depths of 24000 to 31000 mm, shifted by half a pixel, come back as about 110 to 150.
# Instead: convert to mode F first (depth.convert("F")), or turn depth with NEAREST, which also makes no false depths
#   at edges.
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

depth = Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000)
half = (1, 0, 0.5, 0, 1, 0)
print("Pillow", PIL.__version__, "mode", depth.mode)
wrong = 0
for name, method in (("BILINEAR", Image.Resampling.BILINEAR), ("BICUBIC", Image.Resampling.BICUBIC)):
    for turn in (lambda i: i.transform((8, 8), Image.Transform.AFFINE, half, method), lambda i: i.rotate(10, method)):
        expected, seen = np.asarray(turn(depth.convert("F")))[4, 2:6], np.asarray(turn(depth))[4, 2:6]
        print(name, "expected", expected.round(0).tolist(), "seen", seen.tolist())
        wrong += bool(np.abs(seen - expected).min() > 10_000)
sys.exit(0 if wrong == 4 else f"changed: wrong in {wrong} of 4")
PY
