"""The command line: `ttt3r run`, `view`, `compare`, `evaluate`, `reproduce`, `train`, `convert`, `rules`, `data`, `doctor`."""

from ttt3r.cli.main import main as main

__all__ = ["main"]
