"""The panel beside the scene: what it holds, what a change of it means, and the pictures of the current frame."""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ttt3r.types import LengthUnit
from ttt3r.viewer.colors import depth_picture, depth_range, enlarged
from ttt3r.viewer.drawing import Drawing
from ttt3r.viewer.page import as_page
from ttt3r.viewer.settings import Coloring, ViewLayout, ViewSettings
from ttt3r.viewer.stage import SceneStage

if TYPE_CHECKING:
    import viser

_GREY = np.full((3, 4, 3), 128, np.uint8)
ALL_TOKENS = "all tokens"
"""Choice of the panel that shows the mean over tokens."""
HOW_TO_RECORD = "No run here recorded the gains of its tokens. Run again with `ttt3r run ... --record-gains`."
"""Shown in the panel where no gains were recorded."""


@dataclass(frozen=True)
class Controls:
    """The elements of the panel that a user can change."""

    step: "viser.GuiInputHandle[int]"
    play: "viser.GuiInputHandle[bool]"
    speed: "viser.GuiInputHandle[int]"
    growing: "viser.GuiInputHandle[bool]"
    with_image: "viser.GuiInputHandle[bool]"
    run: "viser.GuiDropdownHandle[str]"
    layout: "viser.GuiDropdownHandle[str]"
    coloring: "viser.GuiDropdownHandle[str]"
    min_confidence: "viser.GuiInputHandle[float]"
    point_size: "viser.GuiInputHandle[float]"
    token: "viser.GuiDropdownHandle[str]"
    full_scale: "viser.GuiInputHandle[bool]"


class Panel:
    """Makes the panel, and keeps scene and pictures those of its elements.

    Args:
        server: where panel and scene are.
        stage: what there is to see.
    """

    def __init__(self, server: "viser.ViserServer", stage: SceneStage) -> None:
        self._server, self._stage, self._drawing = server, stage, Drawing(server, stage)
        self._lock = threading.Lock()
        server.gui.configure_theme(show_logo=False, show_share_button=False)
        server.gui.main_panel.dock_right()
        self.controls = self._make_controls()
        self._make_buttons()
        side = server.gui.add_panel()
        with side.add_tab("Frame"):
            self._facts = server.gui.add_markdown("")
            self._image = server.gui.add_image(_GREY, label="Image", format="png")
            self._depth = server.gui.add_image(_GREY, label="Depth", format="png")
            self._gains = server.gui.add_markdown("")
        side.dock_left()
        side.set_width(300)
        for name in Controls.__dataclass_fields__:
            getattr(self.controls, name).on_update(lambda _: self.refresh())
        self.refresh()

    def settings(self) -> ViewSettings:
        """The current values of the elements."""
        controls, labels = self.controls, [run.label for run in self._stage.runs]
        token = controls.token.value
        return ViewSettings(
            step=int(controls.step.value),
            run=labels.index(controls.run.value),
            layout=ViewLayout(controls.layout.value),
            growing=controls.growing.value,
            with_image=controls.with_image.value,
            min_confidence=float(controls.min_confidence.value),
            point_size=float(controls.point_size.value) / 1000,
            coloring=Coloring(controls.coloring.value),
            token=None if token == ALL_TOKENS else int(token.rpartition(" ")[2]),
            full_scale=controls.full_scale.value,
        )

    def refresh(self) -> None:
        """Show the values of the elements. Calls during a running one wait, and then show the newest."""
        with self._lock:
            settings, before = self.settings(), self._drawing.shown
            if settings == before:
                return
            self._drawing.show(settings)
            if before is not None and settings.layout is not before.layout:
                self._follow(before, settings)
            self._show_frame(settings)

    @property
    def pause(self) -> float:
        """Between two steps of the playback, seconds."""
        return 1 / max(float(self.controls.speed.value), 0.1)

    def tick(self) -> None:
        """Advance by one step while playing; after the last step it begins again."""
        if self.controls.play.value:
            self._go(1)

    def _follow(self, before: ViewSettings, settings: ViewSettings) -> None:
        """Move every browser's camera with the run that it looks at, which another layout puts elsewhere."""
        self._drawing.look_from(settings)
        motion = self._stage.offset(settings.run, settings.layout) - self._stage.offset(settings.run, before.layout)
        for client in self._server.get_clients().values():
            client.camera.position = client.camera.position + motion  # its look_at moves along

    def _go(self, steps: int) -> None:
        self.controls.step.value = (int(self.controls.step.value) + steps) % self._stage.steps
        self.refresh()

    def _make_controls(self) -> Controls:
        gui, stage = self._server.gui, self._stage
        names = [run.label for run in stage.runs]
        lowest, highest = stage.confidence_range
        millimetres = 1000 * stage.point_size
        metric = all(one.saved.unit is LengthUnit.METRES for one in stage.runs)
        heading = "Size, mm" if metric else "Size, thousandths of a unit"
        tokens = [f"token {number}" for number in range(stage.tokens)]
        with gui.add_folder("Time"):
            step = gui.add_slider("Step", 0, max(stage.steps - 1, 1), 1, stage.steps - 1, disabled=stage.steps == 1)
            play = gui.add_checkbox("Play", False)
            buttons = gui.add_button_group("Go", ["first", "back", "on", "last"])
            speed = gui.add_slider("Steps a second", 1, 30, 1, 8)
            growing = gui.add_checkbox(
                "All so far", True, hint="points of all steps so far, or of the current one only"
            )
            image = gui.add_checkbox("With image", True, hint="switch it off to look through the camera")
        with gui.add_folder("Runs"):
            run = gui.add_dropdown("Pictures of", names)
            layout = gui.add_dropdown("Placed", [str(kind) for kind in ViewLayout])
        with gui.add_folder("Points"):
            coloring = gui.add_dropdown("Colour", [str(kind) for kind in Coloring])
            threshold = gui.add_slider("Confidence", lowest, highest, 0.01, lowest, hint="least that is shown")
            size = gui.add_slider(heading, millimetres / 8, millimetres * 4, millimetres / 8, millimetres)
        with gui.add_folder("Gains"):
            self._legend = gui.add_markdown("")
            token = gui.add_dropdown("Token", [ALL_TOKENS, *tokens], disabled=not tokens)
            full = gui.add_checkbox("Scale 0 to 1", False, disabled=not tokens)
        ways = {"first": -(10**9), "back": -1, "on": 1, "last": 10**9}

        @buttons.on_click
        def _(_: Any) -> None:
            step.value = int(np.clip(int(step.value) + ways[buttons.value], 0, stage.steps - 1))
            self.refresh()

        return Controls(step, play, speed, growing, image, run, layout, coloring, threshold, size, token, full)

    def _make_buttons(self) -> None:
        with self._server.gui.add_folder("Page"):
            look = self._server.gui.add_button("Look through this camera")
            export = self._server.gui.add_button("Export as HTML")

        @look.on_click
        def _(event: "viser.GuiEvent") -> None:
            settings = self.settings()
            run = self._stage.runs[settings.run]
            wxyz, position = run.placement(settings.step)
            for client in [event.client] if event.client else self._server.get_clients().values():
                with client.atomic():
                    client.camera.wxyz = wxyz
                    client.camera.position = position + self._stage.offset(settings.run, settings.layout)
                    client.camera.fov = run.fov[0]

        @export.on_click
        def _(event: "viser.GuiEvent") -> None:
            page = as_page(self._stage, self.settings(), float(self.controls.speed.value))
            for client in [event.client] if event.client else self._server.get_clients().values():
                client.send_file_download("scene.html", page.encode(), save_immediately=True)

    def _show_frame(self, settings: ViewSettings) -> None:
        run, scale = self._stage.runs[settings.run], self._stage.gain_range(settings)
        frame = run.steps[run.last(settings.step)]
        picture, depth = run.picture(settings.step, settings, scale), run.saved.depth(frame)
        missing = [what for what, found in (("image", picture), ("depth map", depth)) if found is None]
        self._image.image = enlarged(_GREY if picture is None else picture)
        self._depth.image = enlarged(_GREY if depth is None else depth_picture(depth))
        self._depth.label = "Depth" if depth is None else f"Depth, {depth_range(depth, run.saved.unit)}"
        self._facts.content = "\n\n".join(
            [
                f"**{run.label}**, frame {frame} of 0 to {run.saved.frames - 1}",
                *(f"no {what} was written" for what in missing),
            ]
        )
        self._gains.content = gain_table(self._stage, settings)
        self._legend.content = legend(self._stage, settings)


def gain_table(stage: SceneStage, settings: ViewSettings) -> str:
    """Markdown: mean and spread of the gain at this step, one line for each run; nothing where no run wrote any."""
    lines = []
    for run in stage.runs:
        gains, frame = run.saved.gains, run.steps[run.last(settings.step)]
        if gains is not None:
            lines.append(f"| {run.label} | {gains.mean[frame]:.3f} | {gains.spread[frame]:.3f} |")
    return "| | mean gain | spread |\n|---|---|---|\n" + "\n".join(lines) if lines else ""


def legend(stage: SceneStage, settings: ViewSettings) -> str:
    """Markdown: what the colours of gains mean now, or what is missing for them."""
    if stage.tokens == 0:
        return HOW_TO_RECORD
    low, high = stage.gain_range(settings)
    what = "mean gain of the tokens that look at a patch, weighted by their attention"
    if settings.token is not None:
        gains = stage.runs[settings.run].token_gains(settings.step)
        taken = "" if gains is None or settings.token >= len(gains.gain) else f", {gains.gain[settings.token]:.3f} now"
        what = f"gain of token {settings.token}{taken}, where it looks"
    ask = "" if settings.coloring is Coloring.GAIN else f" Choose the colour *{Coloring.GAIN}* to see it."
    return f"Dark blue is {low:.3f}, yellow is {high:.3f}: {what}.{ask}"
