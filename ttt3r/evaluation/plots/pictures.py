"""A figure that needs no display, and a file of it that is whole or not there."""

from pathlib import Path
from typing import TYPE_CHECKING

from ttt3r.files import replacing

if TYPE_CHECKING:
    import matplotlib.figure


def new_figure(width: float, height: float) -> "matplotlib.figure.Figure":
    """A figure that draws into memory and needs no display.

    Args:
        width: in inches.
        height: in inches.

    Raises:
        ImportError: without the extra `eval`.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install 'ttt3r[eval]'") from error
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "matplotlib.figure.Figure", path: str | Path, dpi: float = 150) -> None:
    """Write a picture in the place of an older one; a PNG where the name has no ending. After a kill it is whole or not there.

    Args:
        figure: to write.
        path: the picture; its ending says of which kind. A PDF has no date, so that equal figures give equal files.
        dpi: dots per inch.
    """
    path = Path(path)
    path = path if path.suffix else path.with_name(f"{path.name}.png")
    with replacing(path) as partial:
        figure.savefig(partial, dpi=dpi, metadata={"CreationDate": None} if path.suffix == ".pdf" else None)
