"""Preparation of a cloud before it is judged: one point per voxel, and normals from nearest neighbours."""

import numpy as np
from jaxtyping import Float

from ttt3r.evaluation.metrics.points.errors import search_tree

_AT_ONCE = 65536
"""Points whose neighbours are held at one time."""


def thinned(points: Float[np.ndarray, "point xyz=3"], voxel: float) -> Float[np.ndarray, "kept xyz=3"]:
    """The mean of the points in each cube of a grid that is fixed in the world.

    The points come in the order of the cubes, whatever their order was before, so that a density does not depend on the
    number of views.

    Args:
        points: metres.
        voxel: side of a cube, metres.

    Raises:
        ValueError: if the side is not positive, or so small that the cubes cannot be numbered.
    """
    if not voxel > 0:
        raise ValueError(
            f"a voxel's side must be positive (metres), got {voxel}; leave the thinning out to keep every point"
        )
    if len(points) == 0:
        return points.astype(np.float64)
    exact = points.astype(np.float64)
    cell = np.floor(exact / voxel)
    low, high = cell.min(axis=0), cell.max(axis=0)
    sides = high - low + 1
    if np.prod(sides) > 2**62:
        raise ValueError(f"voxels of {voxel} m cannot be numbered over {(high - low) * voxel} m; take larger ones")
    place = (cell - low).astype(np.int64)
    wide, deep = int(sides[1]), int(sides[2])
    number = (place[:, 0] * wide + place[:, 1]) * deep + place[:, 2]
    _, index, count = np.unique(number, return_inverse=True, return_counts=True)
    sums = [np.bincount(index, weights=column, minlength=len(count)) for column in exact.T]
    return np.stack(sums, axis=1) / count[:, None]


def estimated_normals(
    points: Float[np.ndarray, "point xyz=3"], neighbours: int = 30
) -> Float[np.ndarray, "point xyz=3"]:
    """Unit normals of either sign: the direction of least spread of each point's nearest neighbours, itself included.

    At the density of pixels they describe noise rather than surfaces: thin the cloud before.

    Args:
        points: metres.
        neighbours: points in a neighbourhood; all of them where there are fewer.

    Raises:
        ImportError: without scipy.
        ValueError: for fewer than three points.
    """
    count = min(neighbours, len(points))
    if count < 3:
        raise ValueError(f"a normal needs at least 3 neighbours, got {count} of {len(points)} points; give more points")
    exact = points.astype(np.float64)
    tree = search_tree(exact)
    normals = np.empty_like(exact)
    for start in range(0, len(exact), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        around = exact[np.asarray(tree.query(exact[part], k=count)[1])]
        around = around - around.mean(axis=1, keepdims=True)
        normals[part] = np.linalg.eigh(np.swapaxes(around, 1, 2) @ around)[1][..., 0]
    return normals
