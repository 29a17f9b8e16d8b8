"""The picture of the page on the procedural world: houses as cameras see them, and their depth. Drawn by `make figures`.

world.png   six houses, one on each camera path; below each its depth, near bright and far dark
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib import colormaps
from PIL import Image

from ttt3r.data.procedural import (
    Corridor,
    Handheld,
    Lights,
    LookAround,
    Loop,
    Orbit,
    Walk,
    WorldConfig,
    render,
    sample_cameras,
    sample_scenes,
)

SIZE = (171, 228)
GAP = 6
WORLD = WorldConfig(rooms=(2, 3), solids=(6, 12), scale=(3.6, 6.0), lights=Lights(shadows=True), patch=1)
SHOWN = (  # path, seed, house, frame
    (Orbit(), 23, 0, 0),
    (Walk(), 77, 12, 0),
    (Corridor(), 21, 0, 7),
    (Loop(), 77, 12, 0),
    (LookAround(), 77, 9, 0),
    (Handheld(Walk(reach=None)), 77, 12, 0),
)


def tile(column: int) -> UInt8[np.ndarray, "height width 3"]:
    """Image above depth."""
    path, seed, house, frame = SHOWN[column]
    config = replace(WORLD, width=SIZE[1], height=SIZE[0], path=path)
    scenes = sample_scenes(config, batch=1, seed=seed, first=house)
    cameras = sample_cameras(scenes, config, frame + 1).select(slice(frame, None))
    seen = render(scenes, cameras, SIZE, supersample=3)
    color = ((seen.image[0, 0].permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()
    return np.concatenate([color, np.full((GAP, SIZE[1], 3), 255, np.uint8), shades(seen.depth[0, 0].numpy())])


def shades(depth: Float[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """Depth by a colour map, in the logarithm."""
    share = np.log(depth / depth.min()) / np.log(depth.max() / depth.min())
    return (255 * colormaps["magma"](0.95 - 0.85 * share)[..., :3]).round().astype(np.uint8)


def draw(path: Path) -> None:
    """The sheet: six columns in two bands."""
    gap = np.full((2 * SIZE[0] + GAP, GAP, 3), 255, np.uint8)
    tiles = [tile(column) for column in range(len(SHOWN))]
    bands = [
        np.concatenate([tiles[0 + 3 * band], gap, tiles[1 + 3 * band], gap, tiles[2 + 3 * band]], 1) for band in (0, 1)
    ]
    white = np.full((2 * GAP, bands[0].shape[1], 3), 255, np.uint8)
    sheet = np.concatenate([bands[0], white, bands[1]])
    Image.fromarray(sheet | 3).save(path, optimize=True)  # six bits a colour: the file is smaller by a third


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the picture")
    draw(parser.parse_args().out / "world.png")
