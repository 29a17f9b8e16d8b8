#!/usr/bin/env bash
# Package: trimesh 5.2.0 and pycolmap 4.2.1
# Behaviour: both hold points in double precision and export PLY with float x, y, z. Georeferenced points (UTM, ECEF)
#   lose up to 25 cm, and there is no option for more. trimesh reads a PLY with double exactly and writes it back
#   rounded.
# Expected: PLY has the type double, and what is exported is what was held; or a word on what was lost.
# Seen: errors of 0.1 to 0.25 m for points of a UTM zone 4,000 km from the equator.
# Instead: subtract a fixed offset before export and keep it beside the file, or write double with plyfile.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check trimesh==5.2.0 pycolmap==4.2.1 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import io
import pathlib
import sys

import numpy as np
import pycolmap
import trimesh

points = np.random.default_rng(0).uniform(0, 10, (50, 3)) + [500_000, 4_000_000, 100]
cloud = trimesh.PointCloud(points)
read = trimesh.load(io.BytesIO(cloud.export(file_type="ply")), file_type="ply").vertices
error = {f"trimesh {trimesh.__version__}": np.abs(read - points).max()}

model = pathlib.Path("model")
model.mkdir()
(model / "cameras.txt").write_text("")
(model / "images.txt").write_text("")
lines = [f"{n} {x!r} {y!r} {z!r} 10 20 30 0.5\n" for n, (x, y, z) in enumerate(points.tolist(), 1)]
(model / "points3D.txt").write_text("".join(lines))
pycolmap.Reconstruction(str(model)).export_PLY("points.ply")
header, body = pathlib.Path("points.ply").read_bytes().split(b"end_header\n")
assert b"property float x" in header
kinds = [("xyz", "<f4", 3), ("rgb", "u1", 3)]
stored = np.frombuffer(body, kinds)["xyz"].astype(float)
error[f"pycolmap {pycolmap.__version__}"] = max(np.abs(points - s).max(1).min() for s in stored)

print("expected: an error of 0")
for name, metres in error.items():
    print("seen", name, "error", round(float(metres), 3), "m")
sys.exit(0 if min(error.values()) > 0.05 else "changed: more than float32 is written")
PY
