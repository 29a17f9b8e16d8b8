#!/usr/bin/env bash
# Package: av (PyAV) 18.1.0. 16.0.0 gives a list.
# Behaviour: looking at frame.side_data of a picture with EXIF (JPEG, PNG, WebP; every TIFF) raises ValueError, since
#   the kind of side data that FFmpeg uses for EXIF has no name in PyAV. The other side data of the frame, such as the
#   display matrix, cannot be reached either.
# Expected: PyAV's documentation has frame.side_data as a container of the side data that FFmpeg attached. EXIF is
#   what every phone and camera writes.
# Seen: ValueError: 31 is not a valid Type.
# Instead: read the orientation with Pillow (ImageOps.exif_transpose), or frame.rotation where no mirroring can occur.
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
from PIL import Image

raised = 0
print("av", av.__version__, "expected: a container, with the display matrix where the picture is turned")
for form, orientation in (("JPEG", None), ("JPEG", 1), ("JPEG", 6), ("PNG", 6), ("WEBP", 6), ("TIFF", None)):
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, form, **({"exif": exif} if orientation else {}))
    file.seek(0)
    with av.open(file) as container:
        frame = next(container.decode(video=0))
    try:
        seen = str(list(frame.side_data))
    except ValueError as error:
        seen, raised = f"ValueError: {error}", raised + 1
    print("seen", form, "orientation", orientation, "->", seen)
sys.exit(0 if raised == 5 else f"changed: raised for {raised} of the 5 pictures")
PY
