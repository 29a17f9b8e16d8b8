#!/usr/bin/env bash
# Package: safetensors 0.8.0 (safetensors.numpy)
# Behaviour: load and load_file raise a bare KeyError: 'BF16' for a file that holds one bfloat16 tensor, also if only
#   the others are wanted: nothing of the file can be read. So it is for the 8-bit floats.
# Expected: bfloat16 is one of the types of the format, and weights are often stored in it. An error that names the
#   tensor and the type, or the other tensors.
# Seen: KeyError 'BF16', KeyError 'F8_E4M3'.
# Instead: read with safetensors.torch and call .float().numpy(); to get single tensors, use safetensors.safe_open.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  safetensors==0.8.0 torch==2.13.0 numpy==2.4.6 packaging==26.3
cd "$work"
venv/bin/python - <<'PY'
import sys

import safetensors
import torch
from safetensors.numpy import load
from safetensors.torch import save

print("safetensors", safetensors.__version__, "expected: the tensors, or an error that names the tensor")
seen = []
for kind in (torch.bfloat16, torch.float8_e4m3fn):
    file = save({"step": torch.ones(1), "weight": torch.ones(3).to(kind)})
    try:
        load(file)
        seen.append("read")
    except KeyError as error:
        seen.append(f"KeyError {error}")
    print("seen", kind, "->", seen[-1])
sys.exit(0 if seen == ["KeyError 'BF16'", "KeyError 'F8_E4M3'"] else "changed: no KeyError any more")
PY
