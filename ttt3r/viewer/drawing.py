"""The scene on a viser server: makes its nodes and changes them from one step to the next."""

from typing import TYPE_CHECKING

import numpy as np

from ttt3r.viewer.colors import reduced
from ttt3r.viewer.scene import RunScene
from ttt3r.viewer.settings import ViewSettings
from ttt3r.viewer.stage import SceneStage

if TYPE_CHECKING:
    import viser


class Drawing:
    """The nodes of the scene, and the settings that they show. Sends what changed and nothing else.

    Args:
        server: where the scene is.
        stage: what there is to see.
    """

    def __init__(self, server: "viser.ViserServer", stage: SceneStage) -> None:
        self.server, self.stage = server, stage
        self.shown: ViewSettings | None = None
        self._runs = [_DrawnRun(server.scene, f"/run{number}", run, stage) for number, run in enumerate(stage.runs)]
        server.scene.set_up_direction("-y")
        self.look_from(ViewSettings())

    def look_from(self, settings: ViewSettings) -> None:
        """Where a browser that opens the page stands: behind and above all that the layout shows."""
        offsets = [self.stage.offset(number, settings.layout) for number in range(len(self.stage.runs))]
        low, high = self.stage.bounds[0] + offsets[0], self.stage.bounds[1] + offsets[-1]
        middle, reach = (low + high) / 2, float(np.linalg.norm(high - low)) or 1.0
        self.server.initial_camera.position = middle + reach * np.array([0.0, -0.35, -0.7])
        self.server.initial_camera.look_at = middle

    def show(self, settings: ViewSettings) -> None:
        """Make the scene that of `settings`."""
        if settings == self.shown:
            return
        scale = self.stage.gain_range(settings)
        with self.server.atomic():
            for number, drawn in enumerate(self._runs):
                drawn.place.position = self.stage.offset(number, settings.layout)
                drawn.place.visible = self.stage.is_shown(number, settings)
                drawn.show(settings, self.shown, scale)
        self.shown = settings


class _DrawnRun:
    """One run: a cloud and a camera for each step, the path so far, and the camera of now with its image."""

    def __init__(self, scene: "viser.SceneApi", name: str, run: RunScene, stage: SceneStage) -> None:
        self._scene, self._name, self._run, self._size = scene, name, run, stage.size
        self.place = scene.add_frame(name, show_axes=False)
        self._clouds: list[viser.PointCloudHandle | None] = []
        self._cameras = [self._camera(step) for step in range(len(run.steps))]
        self._now = self._camera(0, "now", 0.09)
        self._trail: viser.LineSegmentsHandle | None = None
        top = stage.bounds[:, 0].mean(), stage.bounds[0, 1] - 0.15 * self._size, stage.bounds[:, 2].mean()
        scene.add_label(f"{name}/label", run.label, position=top, anchor="bottom-center")

    def show(self, settings: ViewSettings, before: ViewSettings | None, scale: tuple[float, float]) -> None:
        """Make this run that of `settings`; `before` is what is there."""
        step = self._run.last(settings.step)
        visible = [number <= step if settings.growing else number == step for number in range(len(self._cameras))]
        if before is None or before.content != settings.content:
            self._replace_clouds(settings, visible, scale)
        for number, cloud in enumerate(self._clouds):
            if cloud is not None:
                _set_visible(cloud, visible[number])
                if cloud.point_size != settings.point_size:
                    cloud.point_size = settings.point_size
        for number, camera in enumerate(self._cameras):
            _set_visible(camera, number < step)
        if before is None or before.step != settings.step:
            self._replace_trail(step)
        self._move_camera(step, settings, scale)

    def _replace_clouds(self, settings: ViewSettings, visible: list[bool], scale: tuple[float, float]) -> None:
        clouds: list[viser.PointCloudHandle | None] = []
        for number in range(len(self._cameras)):
            points = self._run.points(number, settings, scale)
            name = f"{self._name}/points/{number:04d}"
            if len(points.xyz):
                cloud = self._scene.add_point_cloud(
                    name,
                    points.xyz,
                    points.rgb,
                    point_size=settings.point_size,
                    point_shape="circle",
                    point_shading="flat",
                    precision="float32",
                    visible=visible[number],
                )
                clouds.append(cloud)
                continue
            if number < len(self._clouds) and (old := self._clouds[number]) is not None:
                old.remove()
            clouds.append(None)  # a cloud without points is an error in the browser
        self._clouds = clouds

    def _replace_trail(self, step: int) -> None:
        if self._trail is not None:
            self._trail.remove()
            self._trail = None
        if step > 0:
            path = np.stack([self._run.camera(number)[:3, 3] for number in range(step + 1)])
            ends = np.stack([path[:-1], path[1:]], axis=1)
            self._trail = self._scene.add_line_segments(
                f"{self._name}/trail", ends, self._run.color, thickness=2.0, thickness_units="screen"
            )

    def _move_camera(self, step: int, settings: ViewSettings, scale: tuple[float, float]) -> None:
        self._now.wxyz, self._now.position = self._run.placement(step)
        picture = self._run.picture(step, settings, scale) if settings.with_image else None
        self._now.image = None if picture is None else reduced(picture)

    def _camera(self, step: int, name: str = "", scale: float = 0.025) -> "viser.CameraFrustumHandle":
        wxyz, position = self._run.placement(step)
        fov, aspect = self._run.fov
        return self._scene.add_camera_frustum(
            f"{self._name}/{name or f'cameras/{step:04d}'}",
            fov,
            aspect,
            scale=scale * self._size,
            thickness=1.5,
            thickness_units="screen",
            color=self._run.color,
            wxyz=wxyz,
            position=position,
            visible=bool(name),
        )


def _set_visible(node: "viser.SceneNodeHandle", visible: bool) -> None:
    if node.visible != visible:
        node.visible = visible
