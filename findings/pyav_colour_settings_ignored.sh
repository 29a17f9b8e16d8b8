#!/usr/bin/env bash
# Package: av (PyAV) 16.0.0. The same in 14.1.0 and 15.1.0. Right in 17.0.0 and 18.1.0.
# Behaviour: a limited-range clip that is tagged BT.709 is turned into RGB with the matrix of BT.601. Naming the
#   colour space in reformat() changes nothing, as long as the source and the destination name the same one. A
#   full-range frame (yuvj420p) gets the wrong matrix too.
# Expected: the documentation of VideoReformatter.reformat says that src_colorspace=None stands for the colour space
#   of the frame, and that a named one is used. ITU-R BT.709 gives the matrix: Kr 0.2126, Kb 0.0722.
# Seen: red (220, 30, 30) comes back as (201, 8, 30); BT.709 gives (217, 28, 28), which is red within rounding.
# Instead: use PyAV 17 or newer. With an older one, name BT.709 as the source and another space as the destination
#   (src_colorspace="ITU709", dst_colorspace="ITU601") for a limited-range clip, or convert the planes yourself.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check av==16.0.0 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import io
import sys

import av
import numpy as np

RED = np.array([220, 30, 30])
WRONG = np.array([201, 8, 30])


def yuv(limited):
    """RED in BT.709, by the formulas of the standard."""
    kr, kb = 0.2126, 0.0722
    r, g, b = RED / 255
    y = kr * r + (1 - kr - kb) * g + kb * b
    chroma = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    if limited:
        return [round(16 + 219 * y)] + [round(128 + 224 * c) for c in chroma]
    return [round(255 * y)] + [round(128 + 255 * c) for c in chroma]


def frame(form, limited):
    made = av.VideoFrame(64, 64, form)
    for plane, value in zip(made.planes, yuv(limited)):
        plane.update(bytes([value]) * plane.buffer_size)
    made.colorspace = 1  # BT.709
    made.color_range = 1 if limited else 2
    return made


file = io.BytesIO()
with av.open(file, "w", format="mp4") as out:
    stream = out.add_stream("libx264", rate=10)
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    stream.options = {"x264-params": "qp=1:colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv"}
    for packet in [*stream.encode(frame("yuv420p", True)), *stream.encode(None)]:
        out.mux(packet)
file.seek(0)
with av.open(file) as clip:
    read = next(clip.decode(video=0))

agreeing = dict(src_colorspace="ITU709", dst_colorspace="ITU709")
full = dict(src_colorspace=1, dst_colorspace=1, src_color_range=2, dst_color_range=2)
seen = {
    "to_ndarray(format='rgb24')": read.to_ndarray(format="rgb24"),
    "reformat, BT.709 named twice": read.reformat(format="rgb24", **agreeing).to_ndarray(),
    "yuvj420p, BT.709 named twice": frame("yuvj420p", False).reformat(format="rgb24", **full).to_ndarray(),
}
print("av", av.__version__, "- the clip is tagged: colour space", read.colorspace, "range", read.color_range)
print("planes of the clip", [bytes(plane)[0] for plane in read.planes], "written", yuv(True))
print("expected", RED, "within 3")
still = True
for name, image in seen.items():
    pixel = image[32, 32].astype(int)
    print("seen", pixel, name)
    still &= bool(np.abs(pixel - WRONG).max() <= 2)
sys.exit(0 if still else "changed: no longer the colours of BT.601")
PY
