#!/usr/bin/env bash
# Package: safetensors 0.8.0
# Behaviour: the same tensors with the same metadata give other bytes at each save, as soon as the metadata has
#   several entries: their order in the header is drawn anew each time. Tensors alone give the same bytes.
# Expected: the header is JSON in which the tensors are written in a fixed order, so users compare files by checksum.
#   Nothing in the format's description says that the metadata is shuffled.
# Seen: many different files out of 20 saves of one dictionary in one process.
# Instead: put one entry into the metadata (for example a JSON text with sorted keys), or compare tensors, not files.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import hashlib
import json
import sys

import numpy as np
import safetensors
from safetensors.numpy import save

tensors = {"weight": np.ones(4, np.float32)}
entries = {name: "1" for name in ("seed", "commit", "data", "steps", "width", "depth")}


def files(metadata):
    return len({hashlib.sha256(save(tensors, metadata=metadata)).hexdigest() for _ in range(20)})


one = {"all": json.dumps(entries, sort_keys=True)}
print("safetensors", safetensors.__version__, "expected: 1 file from 20 saves")
print("seen", files(entries), "files with 6 entries,", files(one), "with 1 entry,", files(None), "without")
sys.exit(0 if files(entries) > 1 and files(one) == files(None) == 1 else "changed: the bytes are the same each time")
PY
