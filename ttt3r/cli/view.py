"""Look at runs in a browser: clouds and cameras over time, rules side by side, gains painted onto the images.

Serves on this machine only (127.0.0.1); --export writes one HTML file that opens from disk instead.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.markup import escape

from ttt3r.cli.options import Option, Settings
from ttt3r.viewer import Coloring, Limits, SceneStage, ViewSettings, serve, write_page


@dataclass(frozen=True, kw_only=True)
class ViewCommandSettings(Settings):
    """What `ttt3r view` takes."""

    path: Annotated[
        tuple[str, ...],
        Option("folders that ttt3r run wrote, or a folder of such folders", positional=True),
    ]
    port: Annotated[int | None, Option("default: the first free one from 8080")] = None
    export: Annotated[Path | None, Option("write one HTML file instead of serving")] = None
    color: Annotated[
        str,
        Option("colour of the points exported", choices=tuple(kind.name.lower() for kind in Coloring)),
    ] = "image"
    speed: Annotated[float, Option("steps a second of the exported animation")] = 8.0
    min_confidence: Annotated[float, Option("least confidence of the points exported")] = 0.0
    points: Annotated[int, Option("most points of all runs together")] = Limits().points
    every: Annotated[int | None, Option("one frame in N is a step of the timeline")] = None


def execute(settings: ViewCommandSettings, console: Console) -> int:
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
    try:
        console.print(f"open [bold]{session.address}[/]   (Ctrl-C ends it)", highlight=False, soft_wrap=True)
        console.print(f"from another machine, first there: {escape(session.tunnel)}", highlight=False, soft_wrap=True)
        session.wait()
    except KeyboardInterrupt:
        console.print("the viewer has ended")
    finally:
        session.close()
    return 0
