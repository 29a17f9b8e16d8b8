#!/usr/bin/env bash
# Package: Pillow 13.0.0
# Behaviour: saving a 16-bit picture (mode I;16) as WebP, with lossless=True too, or as AVIF cuts every value above
#   255 to 255 without a word.
# Expected: an error, as JPEG, BMP, TGA, PCX and QOI raise for this mode ("cannot write mode I;16"), since the formats
#   have 8 bits here.
# Seen: depths of 1000, 30000 and 63000 mm are all 255 in the lossless WebP.
# Instead: save depth as PNG or TIFF, which keep 16 bits.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import io
import sys

import numpy as np
import PIL
from PIL import Image

values = np.repeat(np.array([[200, 1000, 30000, 63000]], np.uint16), 8, 0).repeat(8, 1)
depth = Image.fromarray(values)
print("Pillow", PIL.__version__, "expected: an error, or", np.unique(values).tolist())
seen = {}
forms = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100}, "JPEG": {}, "PNG": {}, "TIFF": {}}
for form, options in forms.items():
    file = io.BytesIO()
    try:
        depth.save(file, form, **options)
        seen[form] = np.unique(np.asarray(Image.open(file).convert("I")))
        print("seen", form, seen[form].tolist())
    except OSError as error:
        print("seen", form, "raises", error)
held = all(int(seen[form].max()) <= 255 for form in ("WEBP", "AVIF")) and "JPEG" not in seen
sys.exit(0 if held and int(seen["PNG"].max()) == 63000 else "changed: WebP or AVIF do something else")
PY
