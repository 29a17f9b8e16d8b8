#!/usr/bin/env bash
# Package: trimesh 5.2.0
# Behaviour: colours of type ushort in a PLY point cloud are cut to their low byte: a half bright point is black, and
#   dark and bright points get the same colour.
# Expected: PLY lets a property have any of its types, and trimesh scales colours of type float from 0..1 to 0..255;
#   so ushort from 0..65535 to 0..255, or an error.
# Seen: 65535, 32768, 257 become 255, 0, 1.
# Instead: read the file with plyfile and divide by 257 before trimesh.PointCloud gets the colours.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check trimesh==5.2.0 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import io
import sys

import numpy as np
import trimesh


def read(kind, code, colours):
    rows = np.zeros(2, [("xyz", "<f4", 3), ("rgb", code, 3)])
    rows["xyz"] = [[0, 0, 0], [1, 1, 1]]
    rows["rgb"] = colours
    names = "".join(f"property float {a}\n" for a in "xyz")
    names += "".join(f"property {kind} {c}\n" for c in ("red", "green", "blue"))
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex 2\n{names}end_header\n"
    return trimesh.load(io.BytesIO(head.encode() + rows.tobytes()), file_type="ply").colors[0, :3].tolist()


seen = read("ushort", "<u2", [[65535, 32768, 257], [0, 0, 0]])
floats = read("float", "<f4", [[1, 0.5, 1 / 255], [0, 0, 0]])
print("trimesh", trimesh.__version__, "expected [255, 128, 1] from both")
print("seen from ushort", seen, "from float", floats)
sys.exit(0 if seen == [255, 0, 1] and floats == [255, 128, 1] else "changed: ushort is scaled")
PY
