"""How a training makes use of the processor at hand."""

import ctypes
import sys
from typing import Literal

import torch

Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of mallopt, in glibc's malloc.h


def precision_for(asked: Precision) -> Literal["32-true", "bf16-mixed", "16-mixed"]:
    """The precision asked for; with `auto`, bfloat16 where all is on a processor that multiplies it, else float32."""
    if asked != "auto":
        return asked
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        return "32-true"
    known = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    fast = any(getattr(torch.cpu, name, bool)() for name in known)  # a version without the question answers no
    return "bf16-mixed" if fast else "32-true"


def keep_freed_memory() -> None:
    """Let glibc keep freed memory for the next step, instead of asking the system for it anew thousands of times a step.

    Does nothing where the C library is another one.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 2**30)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
