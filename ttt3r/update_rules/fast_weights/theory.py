"""Expected errors in closed form, for random keys: what the curves of the recall task have to be.

Keys are independent and uniform on the unit sphere in d dimensions, so E <k, k'>^2 = 1 / d; values are independent of them,
with squared length 1. Errors are E |S^T k - v|^2, for the pair written `age` writes before the last one.
"""

from jaxtyping import Float
from torch import Tensor, tensor


def hebbian_error(pairs: int, key: int, *, decay: float = 1.0, overlap: float = 0.0) -> Float[Tensor, " pair"]:
    """Expected error of `LinearAttention` for each pair, in the order of writing.

        (1 - decay^age)^2 + sum over the other pairs of decay^(2 age') E <k, k'>^2

    Without decay it is (pairs - 1) / d for every pair. Keys with a mean inner product (see `RecallTask.overlap`) have
    E <k, k'>^2 = overlap^2 + (1 - overlap)^2 / (d - 1).

    Example:
        >>> float(hebbian_error(pairs=17, key=64)[0])
        0.25
    """
    square = overlap**2 + (1 - overlap) ** 2 / (key - 1) if overlap else 1 / key
    kept = [decay**age for age in reversed(range(pairs))]
    total = sum(share**2 for share in kept)
    return tensor([(1 - share) ** 2 + (total - share**2) * square for share in kept])


def delta_error(pairs: int, key: int, *, step: float = 1.0, decay: float = 1.0) -> Float[Tensor, " pair"]:
    """Expected error of S <- decay S + step k (v - decay S^T k)^T for each pair, in the order of writing.

    This is `DeltaRule` (step = rate), `GatedDelta`, and `Longhorn` (step = weight / (1 + weight)). With F = E |S|^2 and, for a
    pair that is in the memory, q = E |S^T k|^2 and c = E <S^T k, v>, one more write with a random key gives

        F' = (1 - (2 step - step^2) / d) F + step^2
        q' = (1 - 2 step / d) q + step^2 / d + step^2 (F + 2 q) / (d (d + 2)),        c' = (1 - step / d) c

    by the second and fourth moments of the sphere (F, q and c taken after the decay). Writing the pair itself gives
    q = (1 - step)^2 F / d + step^2 and c = step; the error is q - 2 c + 1.

    Example:
        >>> float(delta_error(pairs=1, key=64))
        0.0
    """
    energy, found = 0.0, list[tuple[float, float]]()
    for _ in range(pairs):
        energy = decay**2 * energy
        found = [(decay**2 * q, decay * c) for q, c in found]
        found = [
            (
                (1 - 2 * step / key) * q + step**2 / key + step**2 * (energy + 2 * q) / (key * (key + 2)),
                c - step * c / key,
            )
            for q, c in found
        ]
        found.append(((1 - step) ** 2 * energy / key + step**2, step))
        energy = (1 - (2 * step - step**2) / key) * energy + step**2
    return tensor([q - 2 * c + 1 for q, c in found])


def least_squares_error(pairs: int, key: int) -> float:
    """Expected mean error of `Mesa` without decay as its ridge goes to 0: max(0, 1 - d / pairs), the least of any matrix.

    The fitted values are the projection of the values onto the span of the keys, a d-dimensional part of `pairs` dimensions.

    Example:
        >>> least_squares_error(pairs=128, key=64)
        0.5
    """
    return max(0.0, 1 - key / pairs)
