#!/usr/bin/env bash
# Package: torchmetrics 1.9.0 with torch 2.13.0
# Behaviour: MeanAbsoluteError and MeanSquaredError subtract and square in the type of the input. uint8 pictures and
#   int16 or int32 depths wrap around, and the result is a plausible small number.
# Expected: the documentation of both asks for tensors and has the formula of the mean error; integers are taken
#   without a word. The error does not depend on which of the two is the prediction.
# Seen: pictures of 5 and 250 have a mean absolute error of 11 or 245, by their order, and a squared error of 121
#   instead of 60025; int32 depths that differ by 100000 have 1.4e9 instead of 1e10.
# Instead: call .float() on both before update.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  torchmetrics==1.9.0 torch==2.13.0 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import sys

import torch
import torchmetrics
from torchmetrics import MeanAbsoluteError, MeanSquaredError


def error(metric, a, b, kind):
    metric.update(torch.full((4,), a, dtype=kind), torch.full((4,), b, dtype=kind))
    return float(metric.compute())


print("torchmetrics", torchmetrics.__version__, "torch", torch.__version__)
cases = (
    (MeanAbsoluteError, 250, 5, torch.uint8, 245),
    (MeanAbsoluteError, 5, 250, torch.uint8, 245),
    (MeanSquaredError, 5, 250, torch.uint8, 60025),
    (MeanSquaredError, 300, 0, torch.int16, 90000),
    (MeanSquaredError, 100_000, 0, torch.int32, 10**10),
)
wrong = 0
for metric, a, b, kind, expected in cases:
    seen = error(metric(), a, b, kind)
    print(metric.__name__, kind, a, b, "expected", expected, "seen", seen)
    wrong += abs(seen / expected - 1) > 0.1
    assert abs(error(metric(), float(a), float(b), torch.float64) / expected - 1) < 1e-6
sys.exit(0 if wrong == 4 else f"changed: {wrong} of 5 are wrong")
PY
