#!/usr/bin/env bash
# Package: OpenEXR 3.5.3 (the Python package)
# Behaviour: OpenEXR.File writes the memory of an array that is not C-contiguous as it lies, under the array's shape.
#   One channel of a picture (picture[..., 0]), a mirrored or a Fortran-ordered array is stored with wrong pixels,
#   without a word.
# Expected: the pixels of the file are the values of the array, or an error.
# Seen: the channel [0, 3, 6, 9] of a row of RGB pixels 0..11 is read back as [0, 1, 2, 3].
# Instead: pass np.ascontiguousarray(array) for every channel.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check OpenEXR==3.5.3 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import sys

import numpy as np
import OpenEXR

picture = np.arange(2 * 4 * 3, dtype=np.float32).reshape(2, 4, 3)
depth = np.arange(8, dtype=np.float32).reshape(2, 4)
cases = {"one channel of a picture": picture[..., 0], "Fortran order": np.asfortranarray(depth)}


def written_and_read(array):
    with OpenEXR.File({}, {"Z": array}) as file:
        file.write("z.exr")
    with OpenEXR.File("z.exr") as file:
        return np.array(file.channels()["Z"].pixels)


print("OpenEXR", OpenEXR.__version__)
wrong = 0
for name, array in cases.items():
    read = written_and_read(array)
    print(name, "- expected", array.ravel().tolist(), "seen", read.ravel().tolist())
    wrong += not np.array_equal(read, array)
    assert np.array_equal(written_and_read(np.ascontiguousarray(array)), array)
sys.exit(0 if wrong == len(cases) else f"changed: {wrong} of {len(cases)} came back wrong")
PY
