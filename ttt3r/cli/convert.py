"""Convert an official checkpoint to a folder of safetensors, once; the folder loads faster and holds no pickle."""

from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser
from rich.console import Console

from ttt3r.network import load_network, save_network


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `ttt3r convert`."""
    parser.add_argument("source", type=Path, help="official .pth file")
    parser.add_argument("target", type=Path, help="folder to write")
    parser.add_argument("--overwrite", action="store_true", help="replace a network in that folder")


def execute(settings: Any, console: Console) -> int:
    """Run `ttt3r convert`."""
    target: Path = settings.target
    if target.exists() and any(target.iterdir()) and not settings.overwrite:
        raise FileExistsError(f"{target} is not empty; give another folder, or --overwrite")
    network = load_network(settings.source)
    save_network(network, target)
    count = sum(parameter.numel() for parameter in network.parameters())
    console.print(
        f"{count / 1e6:.1f} M parameters -> [bold]{target}[/]; use it with --network {target}", highlight=False
    )
    return 0
