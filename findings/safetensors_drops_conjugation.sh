#!/usr/bin/env bash
# Package: safetensors 0.8.0 (safetensors.torch) with torch 2.13.0
# Behaviour: a conjugated complex tensor is saved without its conjugation, and a lazily negated tensor (the imaginary
#   part of a conjugated one) without its minus sign: torch keeps both as a mark on the tensor, and the file gets the
#   raw memory.
# Expected: what is read back equals what was saved, as with torch.save.
# Seen: conj of [1+2j, 3+4j] is read back as [1+2j, 3+4j]; the imaginary part -2 as 2.
# Instead: save tensor.resolve_conj().resolve_neg().
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  safetensors==0.8.0 torch==2.13.0 numpy==2.4.6 packaging==26.3
cd "$work"
venv/bin/python - <<'PY'
import io
import sys

import safetensors
import torch
from safetensors.torch import load, save

spectrum = torch.tensor([1 + 2j, 3 + 4j]).conj()
imaginary = torch.tensor(1 + 2j).conj().imag
print("safetensors", safetensors.__version__, "torch", torch.__version__)
wrong = 0
for name, tensor in {"conjugated": spectrum, "imaginary part of a conjugated one": imaginary}.items():
    read = load(save({"a": tensor}))["a"]
    file = io.BytesIO()
    torch.save(tensor, file)
    file.seek(0)
    assert torch.equal(torch.load(file), tensor)
    assert torch.equal(load(save({"a": tensor.resolve_conj().resolve_neg()}))["a"], tensor)
    print(name, "- expected", tensor.tolist(), "seen", read.tolist())
    wrong += not torch.equal(read, tensor)
sys.exit(0 if wrong == 2 else f"changed: {wrong} of 2 came back wrong")
PY
