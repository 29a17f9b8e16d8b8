#!/usr/bin/env bash
# Package: pycolmap 4.2.1. The same in 3.10.0, 3.11.1 and 3.13.0.
# Behaviour: an image name with a space is whole in a binary model and in what write_text writes, but read_text keeps
#   only the part before the space. Two images of one folder "my scene/" get the same name.
# Expected: a model written as text and read again is the same model. NAME is the last field of its line in
#   images.txt.
# Seen: 'my scene/1.png' and 'my scene/2.png' are both 'my' after write_text and reading.
# Instead: keep binary models, or no spaces in file and folder names.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check pycolmap==4.2.1 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import pathlib
import sys

import pycolmap

for folder in ("given", "binary", "text"):
    pathlib.Path(folder).mkdir()
pathlib.Path("given/cameras.txt").write_text("1 PINHOLE 640 480 500 500 320 240\n")
pathlib.Path("given/images.txt").write_text("1 1 0 0 0 0 0 0 1 a.png\n\n2 1 0 0 0 1 0 0 1 b.png\n\n")
pathlib.Path("given/points3D.txt").write_text("")
model = pycolmap.Reconstruction("given")
for number, image in model.images.items():
    image.name = f"my scene/{number}.png"
model.write_binary("binary")
pycolmap.Reconstruction("binary").write_text("text")
names = {kind: [i.name for _, i in sorted(pycolmap.Reconstruction(kind).images.items())] for kind in ("binary", "text")}
print("pycolmap", pycolmap.__version__, "expected: the same names from both")
print("in the text file", [line for line in pathlib.Path("text/images.txt").read_text().splitlines() if "my" in line])
print("seen", names)
held = names == {"binary": ["my scene/1.png", "my scene/2.png"], "text": ["my", "my"]}
sys.exit(0 if held else "changed: names with spaces are read in another way")
PY
