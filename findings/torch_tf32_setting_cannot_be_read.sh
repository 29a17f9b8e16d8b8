#!/usr/bin/env bash
# Package: torch 2.13.0
# Behaviour: after one write to torch.backends.cuda.matmul.fp32_precision = "tf32", reading
#   torch.backends.cuda.matmul.allow_tf32 or torch.get_float32_matmul_precision() raises, though nothing was ever set
#   through those. Code that saves and restores the setting (pytest's monkeypatch, a context manager) then fails,
#   without a GPU too. After "ieee" the same read works.
# Expected: the CUDA notes of PyTorch advise to set through one of the two interfaces; a read changes nothing and can
#   answer True.
# Seen: RuntimeError, "mix of the legacy and new APIs".
# Instead: save, set and restore fp32_precision everywhere, and never read the older names in the same process.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import sys

import torch

matmul = torch.backends.cuda.matmul


def tried(read):
    try:
        return repr(read())
    except RuntimeError:
        return "RuntimeError"


print("torch", torch.__version__, "expected: a value from each read")
seen = []
for setting in ("tf32", "ieee"):
    matmul.fp32_precision = setting
    seen.append((tried(lambda: matmul.allow_tf32), tried(torch.get_float32_matmul_precision)))
    print("seen after", setting, "-> allow_tf32 %s, get_float32_matmul_precision %s" % seen[-1])
held = seen[0] == ("RuntimeError", "RuntimeError") and seen[1][0] == "False"
sys.exit(0 if held else "changed: the older names can be read")
PY
