#!/usr/bin/env bash
# Package: av (PyAV) 18.1.0. The same for JPEG in 14.1.0 and 16.0.0.
# Behaviour: frame.rotation gives one angle for a picture that is to be mirrored and for one that is not: the
#   mirroring is lost. Turning the pixels by that angle gives a wrong picture for 4 of the 8 EXIF orientations.
# Expected: EXIF 2.32 defines 8 orientations; 2, 4, 5 and 7 mirror. PyAV documents rotation as the rotation component
#   of the display matrix, in degrees, counterclockwise; nothing tells that the rest of the matrix was dropped.
# Seen: 2 (left and right swapped) gives -180, as 3 (turned by 180); 4 (top and bottom swapped) gives 0, as 1
#   (upright).
# Instead: apply Pillow's ImageOps.exif_transpose, which knows all eight, or work out the determinant of the display
#   matrix.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check av==18.1.0 pillow==13.0.0 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import io
import sys

import av
import numpy as np
from PIL import Image, ImageOps

stored = Image.fromarray(np.arange(48 * 64 * 3, dtype=np.uint32).reshape(48, 64, 3).astype(np.uint8))
wrong = []
print("av", av.__version__, "expected: the picture turned by frame.rotation is the picture of exif_transpose")
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    stored.save(file, "PNG", exif=exif)
    file.seek(0)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(file)))
    file.seek(0)
    with av.open(file) as container:
        frame = next(container.decode(video=0))
    turned = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
    same = np.array_equal(turned, upright)
    print("seen orientation", orientation, "rotation", frame.rotation, "right" if same else "WRONG")
    if not same:
        wrong.append(orientation)
sys.exit(0 if wrong == [2, 4, 5, 7] else f"changed: wrong are {wrong}")
PY
