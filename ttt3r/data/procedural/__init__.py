"""The procedural world: furnished houses, made from a seed on the fly, with exact depth, points and cameras."""

from ttt3r.data.procedural.camera_motion import AtSpeed as AtSpeed
from ttt3r.data.procedural.camera_motion import CameraMotion as CameraMotion
from ttt3r.data.procedural.camera_motion import Handheld as Handheld
from ttt3r.data.procedural.camera_motion import Mixture as Mixture
from ttt3r.data.procedural.cameras import RenderCameras as RenderCameras
from ttt3r.data.procedural.cameras import sample_cameras as sample_cameras
from ttt3r.data.procedural.clips import ClipBatch as ClipBatch
from ttt3r.data.procedural.clips import sample_clips as sample_clips
from ttt3r.data.procedural.clips import stream_clips as stream_clips
from ttt3r.data.procedural.config import Lights as Lights
from ttt3r.data.procedural.config import Textures as Textures
from ttt3r.data.procedural.config import WorldConfig as WorldConfig
from ttt3r.data.procedural.normals import render_normals as render_normals
from ttt3r.data.procedural.paths import Corridor as Corridor
from ttt3r.data.procedural.paths import Jump as Jump
from ttt3r.data.procedural.paths import LookAround as LookAround
from ttt3r.data.procedural.paths import Loop as Loop
from ttt3r.data.procedural.paths import Orbit as Orbit
from ttt3r.data.procedural.paths import Swing as Swing
from ttt3r.data.procedural.paths import Walk as Walk
from ttt3r.data.procedural.presets import HELD_OUT_SEED as HELD_OUT_SEED
from ttt3r.data.procedural.presets import NANO_WORLD as NANO_WORLD
from ttt3r.data.procedural.presets import TRAINING_LENGTH as TRAINING_LENGTH
from ttt3r.data.procedural.presets import WORLDS as WORLDS
from ttt3r.data.procedural.presets import find_world as find_world
from ttt3r.data.procedural.recordings import as_clips as as_clips
from ttt3r.data.procedural.recordings import write_tum as write_tum
from ttt3r.data.procedural.rendering import Rendering as Rendering
from ttt3r.data.procedural.rendering import render as render
from ttt3r.data.procedural.scenes import Scenes as Scenes
from ttt3r.data.procedural.scenes import sample_scenes as sample_scenes
from ttt3r.data.procedural.truth import ClipTruth as ClipTruth

# The names that these had before; kept for code that was written then.
CameraPath = CameraMotion
Cameras = RenderCameras
__all__ = [
    "AtSpeed",
    "CameraMotion",
    "RenderCameras",
    "CameraPath",
    "Cameras",
    "ClipBatch",
    "ClipTruth",
    "Corridor",
    "HELD_OUT_SEED",
    "Handheld",
    "Lights",
    "Jump",
    "LookAround",
    "Loop",
    "Mixture",
    "NANO_WORLD",
    "Orbit",
    "Rendering",
    "Scenes",
    "Swing",
    "TRAINING_LENGTH",
    "Textures",
    "WORLDS",
    "Walk",
    "WorldConfig",
    "as_clips",
    "find_world",
    "render",
    "render_normals",
    "sample_cameras",
    "sample_clips",
    "sample_scenes",
    "stream_clips",
    "write_tum",
]
