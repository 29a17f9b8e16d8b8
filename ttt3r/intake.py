"""From images of any kind to what the network takes: float in [-1, 1], one image of every sequence at a time."""

import math
import warnings
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

import ttt3r.tree as tree
from ttt3r.types import Frame

RANGE_TOLERANCE = 0.02
"""By how much colours may leave [-1, 1]: more than rounding in half precision, less than an image of another range."""

WATCHED = 8
"""Number of images at the start of a stream that are checked for colours in [0, 1]."""


def as_frame(item: object) -> Frame:
    """A frame of what a stream gives: a frame, or images (batch, 3, height, width); bytes of [0, 255] become [-1, 1].

    Raises:
        TypeError: for what is no tensor.
        ValueError: for other axes, with how to make them right.
    """
    if isinstance(item, Frame):
        return item
    if not isinstance(item, Tensor):
        kind = type(item).__name__
        raise TypeError(
            f"an image must be a tensor (batch, 3, height, width), got {kind}; torch.as_tensor makes one of arrays"
        )
    shape = tuple(item.shape)
    if item.ndim == 5:
        raise ValueError(
            f"{shape} is a batch of sequences (batch, frame, 3, height, width), expected the images of one time (batch, 3, "
            "height, width); a stream is time first: give rollout images.transpose(0, 1)"
        )
    if item.ndim == 3:
        raise ValueError(
            f"an image must be (batch, 3, height, width), got {shape}; add the batch with image[None], or images[:, None] "
            "where time is the first axis"
        )
    return Frame(image=item.float().div(255).sub(0.5).div(0.5) if item.dtype is torch.uint8 else item)


def fitted(frame: Frame, memory: Float[Tensor, "batch state channel"]) -> Frame:
    """The frame where the memory lives, in its number format (float64, float16 and bfloat16 images become float32, say)."""
    frame = tree.to(frame, memory.device)
    image, rays = (
        None if part is None or part.dtype == memory.dtype else part.to(memory.dtype)
        for part in (frame.image, frame.ray_map)
    )
    if image is None and rays is None:
        return frame
    return replace(
        frame, image=frame.image if image is None else image, ray_map=frame.ray_map if rays is None else rays
    )


def warn_of_axes(frames: object) -> None:
    """Warn of one tensor for a whole stream that is one frame of several sequences: its first axis was meant as the batch."""
    if isinstance(frames, Tensor) and frames.ndim == 5 and frames.shape[0] == 1 < frames.shape[1]:
        warnings.warn(
            f"{tuple(frames.shape)} is one frame of {frames.shape[1]} sequences, since a stream is time first; if it is a "
            "batch of sequences (batch, frame, 3, height, width), give images.transpose(0, 1)",
            stacklevel=3,
        )


def extremes(image: Float[Tensor, "batch rgb=3 height width"]) -> Float[Tensor, " two"]:
    """Smallest and largest colour, on the image's device; NaN if there is one."""
    with torch.no_grad():
        return torch.stack(torch.aminmax(image)).float()


def wrong_range(low: float, high: float) -> str | None:
    """What is wrong with images between these colours, and the cure; nothing if they lie in [-1, 1]."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "the image is not finite (NaN or infinite colours); leave the frame out, or fix what makes it"
    if low >= -1 - RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE:
        return None
    found = f"the image's colours lie in [{low:.4g}, {high:.4g}], expected [-1, 1]"
    if low >= 0 and high <= 255:
        return f"{found}; if they are bytes in [0, 255], give image / 127.5 - 1"
    return f"{found}; images in [0, 1] need 2 * image - 1, others (normalised by a mean, say) to be brought there or clamped"


def check_image(image: Float[Tensor, "batch rgb=3 height width"], index: int) -> None:
    """Check one image of a loop written by the user; the first is also checked for colours in [0, 1].

    Raises:
        ValueError: if it lies outside [-1, 1].
    """
    low, high = extremes(image).tolist()
    if (wrong := wrong_range(low, high)) is not None:
        raise ValueError(f"frame {index}: {wrong}")
    if index == 0:
        warn_of_unit_range(math.inf, low, high)


def warn_of_unit_range(lowest: float, low: float, high: float) -> float:
    """Warn of a stream whose images look like [0, 1], not [-1, 1]: none of its colours lies in the darker half.

    A dark picture in [-1, 1] goes down to -1, and a white one stays near 1; what ends just above 0 is neither.

    Args:
        lowest: smallest colour of the images before; infinite at the first.
        low: smallest colour of this image.
        high: largest colour of this image.

    Returns:
        The smallest colour so far; minus infinity once it was warned.
    """
    lowest = min(lowest, low)
    if 0 <= lowest < 0.25 < high - low:
        warnings.warn(
            f"no colour lies below 0: the images lie in [{low:.2g}, {high:.2g}] and look like [0, 1], expected is [-1, 1]; "
            "give 2 * image - 1 if they are",
            stacklevel=3,
        )
        return -math.inf
    return lowest
