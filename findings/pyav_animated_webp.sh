#!/usr/bin/env bash
# Package: av (PyAV) 18.1.0. The same in 14.1.0 and 16.0.0.
# Behaviour: an animated WebP opens without a word, its size is said to be 0, and decoding raises InvalidDataError, as
#   if the file were damaged.
# Expected: the WebP container specification (RFC 9649) has animation (chunks ANIM and ANMF). Pillow writes and reads
#   such a file. FFmpeg without a decoder for it should say that it is not supported, not that the data is invalid.
# Seen: InvalidDataError: Invalid data found when processing input; a still WebP decodes.
# Instead: read animated WebP with Pillow (ImageSequence), or store clips as PNG frames or as a video.
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
from PIL import Image, ImageSequence

frames = [Image.fromarray(np.full((48, 64, 3), value, np.uint8)) for value in (10, 100, 200)]
still, clip = io.BytesIO(), io.BytesIO()
frames[0].save(still, "WEBP", lossless=True)
frames[0].save(clip, "WEBP", save_all=True, append_images=frames[1:], lossless=True, duration=100)


def decoded(file):
    file.seek(0)
    try:
        with av.open(file) as container:
            print("opened as", container.format.name, "width", container.streams.video[0].width)
            return len(list(container.decode(video=0)))
    except av.error.InvalidDataError as error:
        return f"InvalidDataError: {error.strerror}"


print("av", av.__version__, "expected: 1 frame of the still picture, 3 of the clip")
clip.seek(0)
values = [int(np.asarray(frame.convert("RGB"))[0, 0, 0]) for frame in ImageSequence.Iterator(Image.open(clip))]
print("Pillow reads", values)
seen = decoded(still), decoded(clip)
print("seen", seen)
held = values == [10, 100, 200] and seen[0] == 1 and str(seen[1]).startswith("InvalidDataError")
sys.exit(0 if held else "changed: PyAV no longer calls the clip invalid")
PY
