"""Training through time: losses, a curriculum, and the LightningModule that runs the same loop as everything else."""
