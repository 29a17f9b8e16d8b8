#!/usr/bin/env bash
# Package: torchmetrics 1.9.0 with torch 2.13.0
# Behaviour: a MetricCollection looks at the states of its metrics after the first update, and lets those with equal
#   states share one from then on. Two metrics that differ in an argument only (a threshold) are often equal after an
#   easy first batch, and both then give the result of one of them.
# Expected: a collection gives what each metric gives alone. compute_groups is documented as a saving of time.
# Seen: BinaryAccuracy(threshold=0.9) gives 1.0 in the collection and 0.4 alone.
# Instead: MetricCollection(..., compute_groups=False), or name the groups by hand.
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
from torchmetrics import MetricCollection
from torchmetrics.classification import BinaryAccuracy

batches = (
    (torch.tensor([0.95, 0.1]), torch.tensor([1, 0])),
    (torch.tensor([0.6, 0.7, 0.8]), torch.tensor([1, 1, 1])),
)


def result(**options):
    metrics = {"at_half": BinaryAccuracy(threshold=0.5), "at_nine": BinaryAccuracy(threshold=0.9)}
    collection = MetricCollection(metrics, **options)
    for scores, labels in batches:
        collection.update(scores, labels)
    return {name: round(float(value), 3) for name, value in collection.compute().items()}


print("torchmetrics", torchmetrics.__version__)
alone, together = result(compute_groups=False), result()
print("expected", alone)
print("seen    ", together)
held = alone == {"at_half": 1.0, "at_nine": 0.4} and together == {"at_half": 1.0, "at_nine": 1.0}
sys.exit(0 if held else "changed: the collection keeps them apart")
PY
