"""Convert an official checkpoint to a folder of safetensors, once; the folder loads faster and holds no pickle."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.console import Console

from ttt3r.cli.options import Option, Settings
from ttt3r.export import folder_files
from ttt3r.files import LOCK, is_partial, locked
from ttt3r.network import load_network, save_network


@dataclass(frozen=True, kw_only=True)
class ConvertSettings(Settings):
    """What `ttt3r convert` takes."""

    source: Annotated[Path, Option("official .pth file", positional=True)]
    target: Annotated[Path, Option("folder to write", positional=True)]
    overwrite: Annotated[bool, Option("replace a network in that folder")] = False


def execute(settings: ConvertSettings, console: Console) -> int:
    """Run `ttt3r convert`."""
    target = settings.target
    _refuse_used(target, settings.overwrite)
    network = load_network(settings.source)
    folder_files.make(target)
    with locked(target, "conversion", cure="wait for it, or choose another folder"):
        _refuse_used(target, settings.overwrite)  # it may have been written meanwhile
        for file in target.iterdir():
            if is_partial(file.name):
                file.unlink()
        save_network(network, target)
    count = sum(parameter.numel() for parameter in network.parameters())
    console.print(
        f"{count / 1e6:.1f} M parameters -> [bold]{target}[/]; use it with --network {target}", highlight=False
    )
    return 0


def _refuse_used(target: Path, overwrite: bool) -> None:
    if target.exists() and not target.is_dir():
        raise FileExistsError(f"{target} is a file; give a folder to write to")
    if target.exists() and not overwrite and any(file.name != LOCK for file in target.iterdir()):
        raise FileExistsError(f"{target} is not empty; give another folder, or --overwrite")
