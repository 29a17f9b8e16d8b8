"""What the viewer shows at one time: plain settings, so that a picture can be made, tested and exported without a browser."""

import enum
from dataclasses import dataclass


class Coloring(enum.StrEnum):
    """What the colour of a point means. The values are what the panel says."""

    IMAGE = "image"
    """The pixel it comes from."""
    GAIN = "gain of the tokens"
    """What the state tokens that look at its patch took of its frame (`TokenGains.painted`)."""
    CONFIDENCE = "confidence"
    """The network's confidence, least to greatest of the run."""
    RUN = "run"
    """One colour for each run."""


class ViewLayout(enum.StrEnum):
    """Where the runs stand in the scene."""

    SIDE_BY_SIDE = "side by side"
    OVERLAID = "on top of each other"
    SINGLE = "one run"


@dataclass(frozen=True)
class ViewSettings:
    """All that decides what is seen.

    Args:
        step: number of the step on the timeline, from 0 (see `SceneStage.steps`).
        run: number of the run that the pictures belong to, and that `ViewLayout.SINGLE` shows.
        layout: where the runs stand.
        growing: show the points of all frames so far; if not, those of the current step only.
        with_image: show the image at the camera of the current step.
        min_confidence: least confidence of a point that is shown.
        point_size: metres.
        coloring: what the colour of a point means.
        token: the state token whose gain is painted; `None` for all together.
        full_scale: paint gains on the scale 0 to 1; if not, on the range that the runs use.

    Raises:
        ValueError: if a number is negative.
    """

    step: int = 0
    run: int = 0
    layout: ViewLayout = ViewLayout.SIDE_BY_SIDE
    growing: bool = True
    with_image: bool = True
    min_confidence: float = 0.0
    point_size: float = 0.02
    coloring: Coloring = Coloring.IMAGE
    token: int | None = None
    full_scale: bool = False

    def __post_init__(self) -> None:
        for name in ("step", "run", "min_confidence", "point_size"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")

    @property
    def content(self) -> tuple[float, Coloring, int | None, bool]:
        """The part that decides which points there are and how they are coloured; the rest moves and hides them."""
        return self.min_confidence, self.coloring, self.token, self.full_scale
