#!/usr/bin/env bash
# Package: safetensors 0.8.0 (safetensors.numpy). 0.5.3, 0.6.2 and 0.7.0 write the right values.
# Behaviour: save and save_file write the memory of a NumPy array that is not C-contiguous as it lies, under the shape
#   of the array. A transposed or Fortran-ordered array or every second column is read back with its values in other
#   places, without a word.
# Expected: what is read back equals what was saved, as in the releases before. The docstring asks for contiguous
#   arrays, but nothing checks it; safetensors.torch has the same rule and raises.
# Seen: np.arange(6).reshape(2, 3).T comes back as 0 1 2 3 4 5 in rows of two, not as 0 3 1 4 2 5.
# Instead: pass np.ascontiguousarray(array) for every array.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import sys

import numpy as np
import safetensors
from safetensors.numpy import load, load_file, save, save_file

poses = np.arange(6, dtype=np.float32).reshape(2, 3)
cases = {"transposed": poses.T, "Fortran order": np.asfortranarray(poses), "every second column": poses[:, ::2]}
print("safetensors", safetensors.__version__)
wrong = 0
for name, array in cases.items():
    save_file({"a": array}, "a.safetensors")
    read = load_file("a.safetensors")["a"]
    same = np.array_equal(read, array)
    print(name, "- expected", array.ravel().tolist(), "seen", read.ravel().tolist())
    wrong += not same and not np.array_equal(load(save({"a": array}))["a"], array)
    assert np.array_equal(load(save({"a": np.ascontiguousarray(array)}))["a"], array)
sys.exit(0 if wrong == len(cases) else f"changed: {wrong} of {len(cases)} came back wrong")
PY
