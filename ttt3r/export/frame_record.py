"""What is known of one frame when it is written."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ttt3r.types import Reconstruction


@dataclass(frozen=True)
class FrameRecord:
    """One frame as it goes into the folder.

    Args:
        index: number of the frame in the stream, from 0, without gaps.
        name: of its source, for the tables.
        timestamp: seconds.
        image: the prepared image in [-1, 1]; `None` for a question to the memory.
        reconstruction: the network's answer.
        gain: the step the memory took, if known.
        attention: where the tokens looked, see `TokenGains`; written if known, with the gain.
    """

    index: int
    name: str
    timestamp: float
    image: Float[Tensor, "1 rgb=3 height width"] | None
    reconstruction: Reconstruction
    gain: Float[Tensor, "1 state #channel"] | None = None
    attention: Float[Tensor, "1 state patch"] | None = None
