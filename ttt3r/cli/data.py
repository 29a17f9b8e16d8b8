"""Look at input before it is run, list the datasets that can be read, or make a sequence to try things on."""

from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ttt3r.cli.choosing import Help
from ttt3r.cli.data_check import check_datasets
from ttt3r.data import DATASETS, SELECTIONS, CropToPatches, open_source, recognise, write_demo_sequence


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `ttt3r data`."""
    commands = parser.add_subcommands(dest="what", metavar="WHAT")
    demo = ArgumentParser(
        description="Make a short sequence of a textured room, in TUM RGB-D layout, with ground truth.",
        formatter_class=Help,
        exit_on_error=False,
    )
    demo.add_argument("folder", type=Path, help="where to write it")
    demo.add_argument("--frames", type=int, default=24, help="length")
    demo.add_argument("--seed", type=int, default=0, help="of the room and the camera's path")
    commands.add_subcommand("demo", demo, help="make a short sequence with ground truth")
    check = ArgumentParser(
        description="Say what a folder of datasets, a sequence, images or a video hold, and what is wrong with it.",
        formatter_class=Help,
        exit_on_error=False,
    )
    check.add_argument("path", type=str, help="root of datasets, sequence, folder of images, glob, image, or video")
    check.add_argument("--size", type=int, default=512, help="long side of the prepared images")
    check.add_argument("--every-file", action="store_true", help="decode all images and depth maps, not a few")
    commands.add_subcommand("check", check, help="say what a source holds and what is wrong with it")
    listing = ArgumentParser(
        description="List the datasets that can be read: layout, protocols, home page, licence.",
        formatter_class=Help,
        exit_on_error=False,
    )
    commands.add_subcommand("list", listing, help="list the datasets that can be read")


def execute(settings: Any, console: Console) -> int:
    """Run `ttt3r data`. Returns 1 if a check found an error."""
    if settings.what == "demo":
        _demo(settings.demo, console)
        return 0
    if settings.what == "list":
        console.print(_listing())
        return 0
    return _check(settings.check, console)


def _demo(settings: Any, console: Console) -> None:
    folder = write_demo_sequence(settings.folder, frames=settings.frames, seed=settings.seed)
    console.print(
        f"{settings.frames} frames with depth and cameras -> [bold]{folder}[/] (TUM RGB-D layout)", highlight=False
    )


def _listing() -> Table:
    """Two columns, since layouts and addresses are long: the name, and all else below each other."""
    table = Table.grid(padding=(0, 2, 1, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, dataset in DATASETS.items():
        protocols = [key for key, selection in SELECTIONS.items() if selection.dataset == name]
        about = [
            dataset.layout.name,
            f"layout: {dataset.layout.needs}",
            f"get it: {dataset.obtain}",
            f"home: {dataset.home}",
            f"licence: {dataset.licence}",
            f"frames: {', '.join(_families(protocols))}",
        ]
        table.add_row(name, Text("\n".join(about)))
    return table


def _families(names: list[str]) -> list[str]:
    """`tum/50`, `tum/90`, ..., `tum/1000` as `tum/50 ... tum/1000`."""
    families: dict[str, list[str]] = {}
    for name in names:
        families.setdefault(name.rstrip("0123456789"), []).append(name)
    return [members[0] if len(members) == 1 else f"{members[0]} ... {members[-1]}" for members in families.values()]


def _check(settings: Any, console: Console) -> int:
    found = recognise(settings.path) if Path(settings.path).is_dir() else {}
    if found:
        return check_datasets(settings.path, found, settings.every_file, CropToPatches(settings.size), console)
    source = open_source(settings.path, policy=CropToPatches(settings.size))
    console.print(f"{source.name}: {source.length or 'unknown number of'} frames, for run", highlight=False)
    for note in source.notes:
        console.print(f"note: {escape(note)}", highlight=False)
    height, width = next(iter(source)).image.shape[-2:]
    console.print(f"prepared frames: {width} x {height} pixels", highlight=False)
    return 0
