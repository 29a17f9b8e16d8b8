"""What every state token took of a frame, and where in the image it looked: one small NPZ a frame, on request."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from einops import rearrange
from jaxtyping import Float, Float32
from torch import Tensor

from ttt3r.files import replacing
from ttt3r.untrusted import ArrayForm, read_arrays, reading

FOLDER = "gains"
"""Folder of the recorded gains in a run folder."""


@dataclass(frozen=True)
class TokenGains:
    """Gain and attention of the state tokens at one frame.

    Args:
        gain: the step that each token took (a gain per channel is averaged over the channels).
        attention: share of each token's attention that a patch gets, mean over layers and heads; a row sums to at most 1,
            what is missing went to the pose token.
        grid: (rows, columns) of the patches, row by row.

    Raises:
        ValueError: if grid or tokens do not fit the attention.
    """

    gain: Float32[np.ndarray, " state"]
    attention: Float32[np.ndarray, "state patch"]
    grid: tuple[int, int]

    def __post_init__(self) -> None:
        rows, columns = self.grid
        if self.attention.shape != (len(self.gain), rows * columns):
            raise ValueError(
                f"attention of shape {self.attention.shape} does not fit {len(self.gain)} tokens and a grid of "
                f"{rows} x {columns} patches"
            )

    @property
    def mass(self) -> Float32[np.ndarray, "row column"]:
        """Attention that each patch receives, summed over tokens: m_p = sum_s A_sp."""
        return self._on_grid(self.attention.sum(axis=0))

    def painted(self) -> Float32[np.ndarray, "row column"]:
        """Mean gain of the tokens that look at a patch, weighted by how much: sum_s G_s A_sp / sum_s A_sp.

        0 where no token looks.
        """
        mass = self.attention.sum(axis=0)
        return self._on_grid(self.gain @ self.attention / np.where(mass > 0, mass, 1))

    def of_token(self, token: int) -> Float32[np.ndarray, "row column"]:
        """Where one token looks, as high as its gain: G_s A_sp / max_p A_sp.

        Raises:
            IndexError: if there is no such token.
        """
        if not 0 <= token < len(self.gain):
            raise IndexError(f"no state token {token}; there are {len(self.gain)}, from 0")
        row = self.attention[token]
        return self._on_grid(self.gain[token] * row / max(float(row.max()), 1e-12))

    def _on_grid(self, values: Float32[np.ndarray, " patch"]) -> Float32[np.ndarray, "row column"]:
        return rearrange(values.astype(np.float32), "(row column) -> row column", row=self.grid[0], column=self.grid[1])

    def save(self, path: Path) -> None:
        """Write an NPZ: float16 `gain` and `attention`, and `grid`; replaced as a whole."""
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as partial, partial.open("wb") as file:
            np.savez_compressed(
                file, gain=self.gain.astype(np.float16), attention=self.attention.astype(np.float16), grid=self.grid
            )

    @classmethod
    def load(cls, path: Path) -> "TokenGains":
        """Read what `save` wrote; the file is data only.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if it holds something else.
        """
        with reading(path, "the gains of tokens", "run again with --record-gains"):
            arrays = read_arrays(path, _ARRAYS)
            gain, attention = (arrays[name].astype(np.float32) for name in ("gain", "attention"))
            rows, columns = map(int, arrays["grid"])
            if min(rows, columns) < 1 or not (np.isfinite(gain).all() and np.isfinite(attention).all()):
                raise ValueError(f"its grid is {rows} x {columns}, or it holds numbers that are not finite")
            return cls(gain, attention, (rows, columns))


_ARRAYS = {
    "gain": ArrayForm("float16", ("state",)),
    "attention": ArrayForm("float16", ("state", "patch")),
    "grid": ArrayForm("int64", (2,)),
}


def of_frame(
    gain: Float[Tensor, "1 state #channel"], attention: Float[Tensor, "1 state patch"], size: tuple[int, int]
) -> TokenGains:
    """The record of one frame; `size` is (height, width) of its prepared image in pixels.

    Raises:
        ValueError: if patches of that number do not tile the image with squares.
    """
    return TokenGains(
        gain[0].detach().float().mean(dim=-1).cpu().numpy(),
        attention[0].detach().float().cpu().numpy(),
        patch_grid(size[0], size[1], attention.shape[2]),
    )


def patch_grid(height: int, width: int, patches: int) -> tuple[int, int]:
    """(rows, columns) of square patches that cover an image.

    Raises:
        ValueError: if no square patch gives that number.
    """
    rows = round((height * patches / width) ** 0.5)
    if rows < 1 or patches % rows or height * (patches // rows) != width * rows:
        raise ValueError(f"{patches} patches do not cover {height} x {width} pixels with squares")
    return rows, patches // rows
