#!/usr/bin/env bash
# Package: lightning 2.6.6 with torch 2.13.0
# Behaviour: save_hyperparameters() puts a pathlib.Path into the checkpoint without a word, and the checkpoint cannot
#   be read after the training: neither load_from_checkpoint nor fit(ckpt_path=...) take it.
# Expected: what the Trainer wrote, the Trainer reads. torch.load reads only plain types since 2.6, so what cannot be
#   read should be refused when it is saved, not when the run is over.
# Seen: UnpicklingError, "Weights only load failed".
# Instead: keep hyperparameters plain (str(path)), or name the class with torch.serialization.add_safe_globals before
#   loading.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check lightning==2.6.6 torch==2.13.0 numpy==2.4.6
cd "$work"
venv/bin/python - <<'PY'
import logging
import pathlib
import pickle
import sys
import warnings

import lightning
import torch
from torch.utils.data import DataLoader

warnings.simplefilter("ignore")
for name in ("lightning.pytorch", "lightning.pytorch.utilities.rank_zero"):
    logging.getLogger(name).setLevel(logging.ERROR)


class Model(lightning.LightningModule):
    def __init__(self, data):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch, index):
        return self.layer(batch).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 1e-3)


def read_again(data, name):
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_progress_bar=False, enable_model_summary=False
    )
    trainer.fit(Model(data), DataLoader(torch.ones(4, 1), batch_size=2))
    trainer.save_checkpoint(name)
    try:
        return str(Model.load_from_checkpoint(name).hparams["data"])
    except pickle.UnpicklingError as error:
        return f"UnpicklingError: {str(error)[:24]}"


seen = read_again(pathlib.Path("scenes"), "path.ckpt"), read_again("scenes", "text.ckpt")
print("lightning", lightning.__version__, "torch", torch.__version__)
print("expected", ("scenes", "scenes"))
print("seen    ", seen)
sys.exit(0 if seen[0].startswith("UnpicklingError") and seen[1] == "scenes" else "changed: the path is read")
PY
