"""Gain accounting of a rule: how much it really writes, for how long the memory keeps it, and what becomes of the state.

    account = GainAccount()
    for step in ttt3r.rollout(model, frames):
        account = account.including(step)
    account.summary.gain_mean, account.summary.memory_age

An account is immutable, of constant size, and takes one look at the device per frame. It counts the frames in which the
rule decides: not a first frame, which the loop takes whole, and not one that may not write.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ttt3r.evaluation.measures.metric import Family, Metric
from ttt3r.types import Step
from ttt3r.update_rules.rules.constant import ConstantRate

NAN = math.nan

GAIN_MEAN = Metric("gain_mean", "gain", family=Family.GAIN)
"""Mean gain over frames, tokens and channels."""
GAIN_STD = Metric("gain_std", "gain SD", family=Family.GAIN)
"""Its standard deviation."""
MEMORY_AGE = Metric("memory_age", "age", "frames", family=Family.GAIN, digits=1)
"""Mean age of what the memory holds, frames."""
GAINS = (
    *(GAIN_MEAN, GAIN_STD),
    Metric("gain_std_tokens", "SD tokens", family=Family.GAIN),
    Metric("gain_std_frames", "SD frames", family=Family.GAIN),
    MEMORY_AGE,
    Metric("state_drift", "state drift", family=Family.GAIN, digits=2),
    Metric("norm_ratio", "norm ratio", family=Family.GAIN, digits=2),
)
"""What a rule wrote. It describes the rule: none is better for writing more, or less."""


@dataclass(frozen=True)
class FrameGain:
    """The gain of one rule in one frame, and what it does to the memory. NaN where there was nothing to count.

    Args:
        frame: its number in the stream.
        gain: mean over sequences, tokens and channels.
        spread: standard deviation over the same.
        low: a tenth of the tokens has less gain than this.
        high: a tenth has more.
        memory_age: mean age, in frames, of what the memory holds: a_t = (1 - G_t) (a_{t-1} + 1) for each token, since a
            share G_t is new and the rest is one frame older. Constant gains lead to (1 - G) / G.
        step: length of the step over length of the state, |S_t - S_{t-1}| / |S_{t-1}|, token lengths summed before.
        drift: how far the state is from where it began, |S_t - S_1| / |S_1|, with S_1 after the first frame (of the chunk).
        norm_ratio: |S_t| / |candidate_t|. Below 1 the memory's tokens are shorter than those that the network makes.
    """

    frame: int
    gain: float = NAN
    spread: float = NAN
    low: float = NAN
    high: float = NAN
    memory_age: float = NAN
    step: float = NAN
    drift: float = NAN
    norm_ratio: float = NAN


@dataclass(frozen=True)
class GainSummary:
    """The gain of one rule over a stream; NaN before the first decision.

    Args:
        frames: in which the rule decided.
        gain_mean: mean gain over frames, sequences, tokens and channels.
        gain_var_tokens: variance within a frame, mean over frames.
        gain_var_frames: variance of the frames' means.
        memory_age: see `FrameGain`; at the last frame.
        step: see `FrameGain`; mean over frames.
        drift: see `FrameGain`; at the last frame.
        norm_ratio: see `FrameGain`; mean over frames.
        states: frames over which `step` and `norm_ratio` were averaged.
    """

    frames: int = 0
    gain_mean: float = NAN
    gain_var_tokens: float = NAN
    gain_var_frames: float = NAN
    memory_age: float = NAN
    step: float = NAN
    drift: float = NAN
    norm_ratio: float = NAN
    states: int = 0

    @property
    def gain_std(self) -> float:
        """Standard deviation of the gain over frames, tokens and channels together."""
        return math.sqrt(self.gain_var_tokens + self.gain_var_frames)

    @property
    def gain_std_tokens(self) -> float:
        """Root of the mean variance within a frame: how differently the tokens are treated."""
        return math.sqrt(self.gain_var_tokens)

    @property
    def gain_std_frames(self) -> float:
        """Standard deviation of the frames' means: how differently the frames are treated."""
        return math.sqrt(self.gain_var_frames)

    def including(self, frame: FrameGain) -> "GainSummary":
        """The summary after one more frame."""
        frames, states = (
            self.frames + (not math.isnan(frame.gain)),
            self.states + (not math.isnan(frame.step)),
        )
        mean, between = self.gain_mean, self.gain_var_frames
        if frames > self.frames:  # Welford's update
            old = 0.0 if self.frames == 0 else self.gain_mean
            mean = old + (frame.gain - old) / frames
            between = _running(self.gain_var_frames, (frame.gain - old) * (frame.gain - mean), frames)
        return GainSummary(
            frames=frames,
            gain_mean=mean,
            gain_var_tokens=_running(self.gain_var_tokens, frame.spread**2, frames),
            gain_var_frames=between,
            memory_age=frame.memory_age,
            step=_running(self.step, frame.step, states),
            drift=self.drift if math.isnan(frame.drift) else frame.drift,
            norm_ratio=_running(self.norm_ratio, frame.norm_ratio, states),
            states=states,
        )


def _running(mean: float, value: float, count: int) -> float:
    """The mean after the value that made it `count`; unchanged by NaN."""
    if math.isnan(value):
        return mean
    return value if count == 1 else mean + (value - mean) / count


@dataclass(frozen=True)
class _Carried:
    """What the next frame is compared with."""

    state: Float[Tensor, "batch state channel"]
    first: Float[Tensor, "batch state channel"]
    held: Float[Tensor, "batch state #channel"]  # age of what each entry holds
    age: Int[Tensor, " batch"]


@dataclass(frozen=True)
class GainAccount:
    """The gain of one rule, accounted for step by step. `GainAccount()` is empty; a rule's steps are added in order.

    The first step that is added only starts the account, also where it continues an older memory.

    Args:
        summary: of everything so far.
        last_frame: of the steps so far; `None` before the first.
    """

    summary: GainSummary = GainSummary()
    last_frame: FrameGain | None = None
    _carried: _Carried | None = None

    def including(self, step: Step) -> "GainAccount":
        """The account with one more step of the same rule and stream."""
        with torch.no_grad():
            carried, frame_gain = _enter(self._carried, step)
        return GainAccount(self.summary.including(frame_gain), frame_gain, carried)


def _enter(before: _Carried | None, step: Step) -> tuple[_Carried, FrameGain]:
    state, gain, age = _wide(step.memory.state), _wide(step.gain), step.memory.age
    if before is None:
        return _Carried(state, state, torch.zeros_like(gain), age), FrameGain(step.index)
    unwritten = (age == before.age) & (gain == 0).all(dim=(1, 2))
    # The loop takes a first frame whole. A chunk's last frame also leaves a memory of age 1, but its gain is the rule's.
    first = (age == 1) & (gain == 1).all(dim=(1, 2)) & ~unwritten
    restarts = (age <= 1) & ~unwritten
    decided, moved = ~(unwritten | first | (age == 0)), ~(unwritten | restarts | (age == 0))
    restarted = restarts[:, None, None]
    held = torch.where(restarted, 0.0, (1 - gain) * (before.held + 1))
    after = _Carried(state, torch.where(restarted, state, before.first), held, age)
    return after, _frame_gain(step, gain, decided, (before, after, moved))


def _frame_gain(
    step: Step,
    gain: Float[Tensor, "batch state #channel"],
    decided: Bool[Tensor, " batch"],
    change: tuple[_Carried, _Carried, Bool[Tensor, " batch"]],
) -> FrameGain:
    before, after, moved = change
    values, nothing = [after.held[step.memory.age > 0].mean()], torch.full((), NAN, device=gain.device)
    chosen = gain[decided]
    if chosen.numel():
        tenths = torch.tensor([0.1, 0.9], device=gain.device, dtype=gain.dtype)
        mean = chosen.mean()
        low, high = torch.quantile(chosen.mean(dim=-1).flatten(), tenths)
        values += [mean, (chosen - mean).square().mean().sqrt(), low, high]
    else:
        values += [nothing] * 4
    lengths = [
        (after.state - before.state, before.state),
        (after.state - after.first, after.first),
        (after.state, _wide(step.candidate)),
    ]
    values += [_length(part[moved], whole[moved]) for part, whole in lengths]
    age, mean, spread, low, high, move, drift, ratio = torch.stack(values).tolist()
    return FrameGain(step.index, mean, spread, low, high, age, move, drift, ratio)


def _length(
    part: Float[Tensor, "batch state channel"], whole: Float[Tensor, "batch state channel"]
) -> Float[Tensor, ""]:
    """Summed length of the tokens over that of others, mean over sequences; NaN without any."""
    lengths = part.norm(dim=-1).sum(dim=-1) / whole.norm(dim=-1).sum(dim=-1).clamp_min(1e-30)
    return lengths.mean()


def _wide(tensor: Tensor) -> Tensor:
    return tensor.detach().to(torch.promote_types(tensor.dtype, torch.float32))


LEAST_SPREAD = 1e-6
"""A gate whose gain varies by less (standard deviation) is a constant: it is its own control."""


def equal_gain_constant(mean: float, spread: float) -> ConstantRate | None:
    """The control that a gate has to beat: the constant of its mean gain; `None` for a constant, or a mean outside [0, 1].

    Args:
        mean: of the gate's gain, see `GainSummary.gain_mean`.
        spread: its standard deviation, see `GainSummary.gain_std`.
    """
    return ConstantRate(mean) if spread > LEAST_SPREAD and 0 <= mean <= 1 else None


def equal_gain_constants(summaries: Mapping[str, GainSummary]) -> dict[str, ConstantRate]:
    """`equal_gain_constant` of every rule that has one, by the name of the gate.

    Example:
        >>> equal_gain_constants({"gate": GainSummary(9, 0.25, 0.01, 0.0), "cut3r": GainSummary(9, 1.0, 0.0, 0.0)})
        {'gate': ConstantRate(rate=0.25)}
    """
    found = {name: equal_gain_constant(summary.gain_mean, summary.gain_std) for name, summary in summaries.items()}
    return {name: constant for name, constant in found.items() if constant is not None}
