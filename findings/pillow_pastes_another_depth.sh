#!/usr/bin/env bash
# Package: Pillow 13.0.0
# Behaviour: paste with a number fills a 16-bit picture (mode I;16) with another number: the low byte stands in both
#   bytes.
# Expected: the documentation of Image.paste lets a colour be pasted, and says that an integer is one for single-band
#   pictures. Image.new and putpixel set it right in the same mode.
# Seen: paste(40000, box) gives 16448 (0x4040 instead of 0x9c40); paste(300, box) gives 11308.
# Instead: paste a picture, Image.new("I;16", size, value), or set the values in a NumPy array.
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
for value in (40000, 300):
    depth = Image.new("I;16", (4, 4))
    depth.paste(value, (0, 0, 4, 4))
    seen.append(int(np.asarray(depth)[0, 0]))
    print("expected", value, "seen", seen[-1], "new gives", np.asarray(Image.new("I;16", (1, 1), value)).item())
sys.exit(0 if seen == [0x4040, 0x2C2C] else "changed: another number is pasted")
PY
