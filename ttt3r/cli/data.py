"""Check input before it is run, list the datasets that can be read, or make a sequence to try things on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.markup import escape

from ttt3r.cli.data_check import check_datasets
from ttt3r.cli.listing import show_list
from ttt3r.cli.options import Option, Settings, Subcommand
from ttt3r.data import DATASETS, SELECTIONS, CropToPatches, open_source, recognise, write_demo_sequence


@dataclass(frozen=True, kw_only=True)
class DemoSettings(Settings):
    """Make a short sequence of a procedural house, in TUM RGB-D layout, with ground truth."""

    folder: Annotated[Path, Option("where to write it", positional=True)]
    frames: Annotated[int, Option("length")] = 24
    seed: Annotated[int, Option("of the house and the camera's path")] = 0


@dataclass(frozen=True, kw_only=True)
class CheckSettings(Settings):
    """Report what a folder of datasets, a sequence, images or a video holds, and what is wrong with it."""

    path: Annotated[str, Option("root of datasets, sequence, folder of images, glob, image, or video", positional=True)]
    size: Annotated[int, Option("long side of the prepared images")] = 512
    every_file: Annotated[bool, Option("decode all images and depth maps, not a few")] = False


@dataclass(frozen=True, kw_only=True)
class ListSettings(Settings):
    """List the datasets that can be read: layout, protocols, home page, licence."""


@dataclass(frozen=True, kw_only=True)
class DataSettings(Settings):
    """What `ttt3r data` takes: one of three commands."""

    demo: Annotated[DemoSettings | None, Subcommand("make a short sequence with ground truth")] = None
    check: Annotated[CheckSettings | None, Subcommand("report what a source holds and what is wrong with it")] = None
    list: Annotated[ListSettings | None, Subcommand("list the datasets that can be read")] = None


def execute(settings: DataSettings, console: Console) -> int:
    """Run `ttt3r data`. Returns 1 if a check found an error."""
    if settings.demo is not None:
        _demo(settings.demo, console)
        return 0
    if settings.check is not None:
        return _check(settings.check, console)
    show_list(console, _listing(), apart=True)
    return 0


def _demo(settings: DemoSettings, console: Console) -> None:
    folder = write_demo_sequence(settings.folder, frames=settings.frames, seed=settings.seed)
    console.print(
        f"{settings.frames} frames with depth and cameras -> [bold]{folder}[/] (TUM RGB-D layout)", highlight=False
    )


def _listing() -> Iterator[tuple[str, str]]:
    """Every dataset: its layout, where to get it, and the published choices of its frames."""
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
        yield name, "\n".join(about)


def _families(names: list[str]) -> list[str]:
    """`tum/50`, `tum/90`, ..., `tum/1000` as `tum/50 ... tum/1000`."""
    families: dict[str, list[str]] = {}
    for name in names:
        families.setdefault(name.rstrip("0123456789"), []).append(name)
    return [members[0] if len(members) == 1 else f"{members[0]} ... {members[-1]}" for members in families.values()]


def _check(settings: CheckSettings, console: Console) -> int:
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
