"""Tensors that come once and are read back in any order: a few in memory, many in a temporary file."""

import tempfile
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

IN_MEMORY = 64 * 2**20
"""Bytes of a spool that stay in memory; beyond that, all of it goes to a temporary file."""


@dataclass
class TensorSpool:
    """A list of tensors that needs no more than `limit` bytes of memory.

    Args:
        limit: beyond it everything lies in a file in the system's folder of temporary files (`TMPDIR`), which is gone when
            the spool is closed, or the process ends.
    """

    limit: int = IN_MEMORY
    _places: list[tuple[int, torch.Size, torch.dtype]] = field(default_factory=list, init=False, repr=False)
    _end: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=self.limit)  # noqa: SIM115 (closed by `close`)

    def __len__(self) -> int:
        return len(self._places)

    def append(self, tensor: Shaped[Tensor, "..."]) -> None:
        """Put one at the end.

        Raises:
            OSError: if there is no room for it; says where more is needed.
        """
        content = tensor.detach().cpu().contiguous().numpy().tobytes()
        try:
            self._file.seek(self._end)
            self._file.write(content)
        except OSError as error:
            raise OSError(
                f"cannot keep what is needed for the way back in {tempfile.gettempdir()} ({error.strerror}); set TMPDIR to a "
                "folder with more room, or show fewer frames at a time (--length, --stride, --stop)"
            ) from error
        self._places.append((self._end, tensor.shape, tensor.dtype))
        self._end += len(content)

    def __getitem__(self, index: int) -> Shaped[Tensor, "..."]:
        start, shape, dtype = self._places[index]
        self._file.seek(start)
        content = bytearray(self._file.read(shape.numel() * dtype.itemsize))
        return torch.frombuffer(content, dtype=dtype).reshape(shape)

    def close(self) -> None:
        """Give memory and file back."""
        self._file.close()


@dataclass
class ImageSpool:
    """Prepared images, each as bytes where it was made of bytes, so that one of 512 x 384 pixels takes 590 kB.

    They come back as they went in, to the last bit.
    """

    _kept: TensorSpool = field(default_factory=TensorSpool, init=False, repr=False)

    def __len__(self) -> int:
        return len(self._kept)

    def append(self, image: Float[Tensor, "batch rgb=3 height width"]) -> None:
        """Put one at the end; colours in [-1, 1]. As `TensorSpool.append`."""
        pixels = image.mul(0.5).add(0.5).mul(255).round().clamp(0, 255).to(torch.uint8)
        self._kept.append(pixels if torch.equal(_colors(pixels), image) else image)

    def __getitem__(self, index: int) -> Float[Tensor, "batch rgb=3 height width"]:
        found = self._kept[index]
        return _colors(found) if found.dtype is torch.uint8 else found

    def close(self) -> None:
        """Give memory and file back."""
        self._kept.close()


def _colors(pixels: Shaped[Tensor, "batch rgb=3 height width"]) -> Float[Tensor, "batch rgb=3 height width"]:
    """As `ttt3r.data.to_tensor` has it."""
    return pixels.float().div(255).sub(0.5).div(0.5)
