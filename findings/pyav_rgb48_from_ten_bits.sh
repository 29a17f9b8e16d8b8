#!/usr/bin/env bash
# Package: av (PyAV) 17.0.0. The same in 16.0.0. Right in 14.1.0, 15.1.0 and 18.1.0.
# Behaviour: a 10-bit BT.2020 frame (yuv420p10le, as HDR clips have) becomes wrong 16-bit RGB in the packed format
#   rgb48le: green and blue are far off. The planar format gbrp16le and 8-bit rgb24 are right.
# Expected: rgb48le and gbrp16le are two layouts of the same 16-bit RGB (FFmpeg's list of pixel formats), so both hold
#   the same numbers; ITU-R BT.2020 gives them.
# Seen: red (220, 30, 30) of 255 is about (219, 0, 102) in rgb48le and (219, 30, 30) in gbrp16le.
# Instead: ask for gbrp16le (to_ndarray gives red, green, blue in that order) or use PyAV 18.1.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check av==17.0.0 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import sys

import av
import numpy as np

RED = np.array([220, 30, 30])
kr, kb = 0.2627, 0.0593
r, g, b = RED / 255
y = kr * r + (1 - kr - kb) * g + kb * b
chroma = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
frame = av.VideoFrame(64, 64, "yuv420p10le")
for plane, value in zip(frame.planes, [16 + 219 * y] + [128 + 224 * c for c in chroma]):
    plane.update(np.full(plane.buffer_size // 2, round(4 * value), "<u2").tobytes())
frame.colorspace = 9  # BT.2020, non-constant luminance
frame.color_range = 1

pixel = {form: frame.to_ndarray(format=form)[32, 32].astype(float) for form in ("rgb48le", "gbrp16le", "rgb24")}
print("av", av.__version__, "expected", RED, "within 3 in all formats")
for form, value in pixel.items():
    print("seen", np.round(value / (1 if form == "rgb24" else 257), 1), form, "in steps of 1/255")
right = all(np.abs(v - RED).max() < 3 for v in (pixel["gbrp16le"] / 257, pixel["rgb24"]))
wrong = np.abs(pixel["rgb48le"] / 257 - RED).max() > 20
sys.exit(0 if right and wrong else "changed: rgb48le is no longer the only wrong format")
PY
