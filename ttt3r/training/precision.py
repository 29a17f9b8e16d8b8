"""Products in float16 with gradients that are scaled: checked, clipped and dropped before a step."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from lightning.pytorch.plugins import MixedPrecision, Precision
from torch import Tensor, nn
from torch.optim import Optimizer


class ScaledHalf(MixedPrecision):
    """Lightning's `16-mixed`, with the scale in the hands of the module that trains.

    Lightning's own plug-in unscales, steps and updates the scale in each optimiser's step. A module that cuts gradients must
    see them unscaled before, and where several optimisers take one decision, the scale moves once for all.
    """

    def __init__(self) -> None:
        super().__init__("16-mixed", _device_type())

    def optimizer_step(self, optimizer: Any, model: Any, closure: Callable[[], Any]) -> Any:  # pyright: ignore
        """A plain step: `unscaled_norm` has unscaled the gradients, `settle` will update the scale."""
        return Precision.optimizer_step(self, optimizer, model=model, closure=closure)


def unscaled_norm(
    scaler: "torch.amp.GradScaler | None",
    optimizers: Sequence[Optimizer],
    parameters: Iterable[nn.Parameter],
    most: float,
) -> Float[Tensor, ""]:
    """The norm of all gradients, which are unscaled and cut to `most` in place; not finite after an overflow."""
    if scaler is not None:
        for optimizer in optimizers:
            scaler.unscale_(optimizer)
    return torch.nn.utils.clip_grad_norm_(parameters, most)


def settle(scaler: "torch.amp.GradScaler | None", good: bool) -> None:
    """Let the scale grow after good steps; after a bad one, which may not have come to its gradients, make it smaller."""
    if scaler is None:
        return
    if good:
        scaler.update()
    else:
        scaler.update(scaler.get_scale() * scaler.get_backoff_factor())


def _device_type() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
