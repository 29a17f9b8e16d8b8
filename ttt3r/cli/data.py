"""Look at input before it is run, or make a sequence to try things on."""

from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser
from rich.console import Console

from ttt3r.cli.choosing import Help
from ttt3r.data import CropToPatches, open_clip, open_source, write_demo_sequence
from ttt3r.data.opening import LAYOUTS


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
        description="Say what a source holds and how its frames will be prepared.",
        formatter_class=Help,
        exit_on_error=False,
    )
    check.add_argument("path", type=str, help="folder, glob, image, video, or a sequence with ground truth")
    check.add_argument("--size", type=int, default=512, help="long side of the prepared images")
    commands.add_subcommand("check", check, help="say what a source holds")


def execute(settings: Any, console: Console) -> int:
    """Run `ttt3r data`."""
    if settings.what == "demo":
        _demo(settings.demo, console)
    else:
        _check(settings.check, console)
    return 0


def _demo(settings: Any, console: Console) -> None:
    folder = write_demo_sequence(settings.folder, frames=settings.frames, seed=settings.seed)
    console.print(
        f"{settings.frames} frames with depth and cameras -> [bold]{folder}[/] (TUM RGB-D layout)", highlight=False
    )


def _check(settings: Any, console: Console) -> None:
    policy = CropToPatches(settings.size)
    if any(layout.recognises(Path(settings.path)) for layout in LAYOUTS):
        clip = open_clip(settings.path, policy=policy)
        source = clip.source
        console.print(
            f"{clip.name}: {len(clip.timestamps)} frames with true cameras, for compare and run", highlight=False
        )
        depth = "none" if clip.depth_files is None else f"{clip.depth_files.measured} maps"
        console.print(f"true depth: {depth}", highlight=False)
    else:
        source = open_source(settings.path, policy=policy)
        console.print(f"{source.name}: {source.length or 'unknown number of'} frames, for run", highlight=False)
    height, width = next(iter(source)).image.shape[-2:]
    console.print(f"prepared frames: {width} x {height} pixels", highlight=False)
