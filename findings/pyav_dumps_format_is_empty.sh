#!/usr/bin/env bash
# Package: av (PyAV) 18.1.0. The same in 14.1.0 and 16.0.0.
# Behaviour: container.dumps_format() returns an empty text unless the level of av.logging is INFO or finer. The level
#   after import is None, so a first call always gives ''.
# Expected: a method that returns text returns the description of the container whatever is logged.
# Seen: '' by default and at ERROR; the description at INFO.
# Instead: av.logging.set_level(av.logging.INFO) around the call and the former level after it, or read
#   container.format, .streams and .metadata.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import io
import sys

import av
import av.logging

file = io.BytesIO()
with av.open(file, "w", format="mp4") as out:
    stream = out.add_stream("mpeg4", rate=10)
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    for packet in [*stream.encode(av.VideoFrame(64, 64, "yuv420p")), *stream.encode(None)]:
        out.mux(packet)
file.seek(0)
lengths = []
print("av", av.__version__, "expected: the same description at each level")
with av.open(file) as container:
    for level in (av.logging.get_level(), av.logging.INFO, av.logging.ERROR):
        av.logging.set_level(level)
        text = container.dumps_format()
        print("seen at level", level, "->", len(text), "characters", repr(text[:40]))
        lengths.append(len(text))
sys.exit(0 if lengths[0] == lengths[2] == 0 < lengths[1] else "changed: dumps_format no longer follows the log level")
PY
