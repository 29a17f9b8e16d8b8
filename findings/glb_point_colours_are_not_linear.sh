#!/usr/bin/env bash
# Package: trimesh 5.2.0
# Behaviour: colours of points go into COLOR_0 of a GLB as they are. Colours taken from pictures are sRGB, and a
#   viewer that follows the standard takes COLOR_0 as linear, so the points look pale. The other way round, a GLB of
#   another program is read too dark.
# Expected: glTF 2.0 (3.7.2.1 and 3.9.2) has vertex colours as linear values. The mid grey of a picture, 128, is 55
#   then.
# Seen: 128 is stored as 128 in a normalised accessor of unsigned bytes.
# Instead: turn sRGB into linear before export to GLB (and back after reading), in float or 16 bits to keep dark
#   tones; or export PLY, where colours are sRGB by custom.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check trimesh==5.2.0 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import json
import struct
import sys

import numpy as np
import trimesh

colours = np.array([[128, 128, 128, 255], [255, 0, 30, 255]], np.uint8)
glb = trimesh.PointCloud(np.eye(3)[:2], colors=colours).export(file_type="glb")
length = struct.unpack("<I", glb[12:16])[0]
tree = json.loads(glb[20 : 20 + length])
accessor = tree["accessors"][tree["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]]
view = tree["bufferViews"][accessor["bufferView"]]
start = 20 + length + 8 + view.get("byteOffset", 0)
stored = np.frombuffer(glb[start : start + 8], np.uint8).reshape(2, 4)
grey = 128 / 255
print("trimesh", trimesh.__version__, "accessor", accessor["componentType"], "normalized", accessor["normalized"])
print("expected", round(255 * ((grey + 0.055) / 1.055) ** 2.4), "for the sRGB grey 128, seen", stored[0].tolist())
sys.exit(0 if np.array_equal(stored, colours) else "changed: the colours are converted")
PY
