"""Look at runs in a browser: clouds and cameras over time, rules side by side, gains painted onto the images.

Serves on this machine only (127.0.0.1); --export writes one HTML file that opens from disk instead.
"""

from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser
from rich.console import Console
from rich.markup import escape

from ttt3r.viewer import Coloring, Limits, SceneStage, ViewSettings, serve, write_page


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `ttt3r view`."""
    parser.add_argument("path", type=str, nargs="+", help="folders that ttt3r run wrote, or a folder of such folders")
    parser.add_argument("--port", type=int | None, default=None, help="default: the first free one from 8080")
    parser.add_argument("--export", type=Path | None, default=None, help="write one HTML file instead of serving")
    parser.add_argument(
        "--color",
        choices=[kind.name.lower() for kind in Coloring],
        default="image",
        help="colour of the points exported",
    )
    parser.add_argument("--speed", type=float, default=8.0, help="steps a second of the exported film")
    parser.add_argument("--min-confidence", type=float, default=0.0, help="least confidence of the points exported")
    parser.add_argument("--points", type=int, default=Limits().points, help="most points of all runs together")
    parser.add_argument("--every", type=int | None, default=None, help="one frame in so many is a step of the timeline")


def execute(settings: Any, console: Console) -> int:
    """Run `ttt3r view`."""
    stage = SceneStage.open(settings.path, Limits(settings.points, settings.every))
    for note in stage.notes():
        console.print(f"[yellow]note:[/] {escape(note)}", highlight=False)
    if settings.export is not None:
        view = ViewSettings(
            coloring=Coloring[settings.color.upper()],
            min_confidence=settings.min_confidence,
            point_size=stage.point_size,
        )
        size = write_page(settings.export, stage, view, settings.speed)
        console.print(
            f"{stage.steps} steps -> [bold]{escape(str(settings.export))}[/] ({size / 1e6:.1f} MB, opens from disk)",
            highlight=False,
        )
        return 0
    session = serve(stage, settings.port)
    console.print(f"open [bold]{session.address}[/]   (Ctrl-C ends it)", highlight=False, soft_wrap=True)
    console.print(f"from another machine, first there: {escape(session.tunnel)}", highlight=False, soft_wrap=True)
    try:
        session.wait()
    except KeyboardInterrupt:
        console.print("the viewer has ended")
    finally:
        session.close()
    return 0
