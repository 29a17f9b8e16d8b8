"""Look at runs in a browser: clouds and cameras growing over time, rules side by side, gains painted onto the images.

Needs the extra `viewer` for `serve`, `as_page` and `write_page`; everything else needs no more than the core.
"""

from ttt3r.viewer.page import as_page as as_page
from ttt3r.viewer.page import write_page as write_page
from ttt3r.viewer.scene import RunScene as RunScene
from ttt3r.viewer.scene import ShownPoints as ShownPoints
from ttt3r.viewer.session import Session as Session
from ttt3r.viewer.session import serve as serve
from ttt3r.viewer.settings import Coloring as Coloring
from ttt3r.viewer.settings import ViewLayout as ViewLayout
from ttt3r.viewer.settings import ViewSettings as ViewSettings
from ttt3r.viewer.stage import Limits as Limits
from ttt3r.viewer.stage import SceneStage as SceneStage

# The names that these had before; kept for code that was written then.
Layout = ViewLayout
Stage = SceneStage

__all__ = [
    "Coloring",
    "Layout",
    "Limits",
    "RunScene",
    "SceneStage",
    "Session",
    "ShownPoints",
    "Stage",
    "ViewLayout",
    "ViewSettings",
    "as_page",
    "serve",
    "write_page",
]
