"""The laws of reset policies: what the loop, a resumed run and a batch rely on. On synthetic streams and without a network."""

import copy
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

import ttt3r.tree as tree
from ttt3r.types import Memory, Outputs, Reconstruction
from ttt3r.update_rules.absorption import absorb
from ttt3r.update_rules.conformance.check import BrokenLaw, LawReport, meaning
from ttt3r.update_rules.conformance.streams import Sizes, SyntheticFrame, SyntheticStream, make_stream
from ttt3r.update_rules.conformance.trial import Trial, Violation, contents_of, difference, first_line
from ttt3r.update_rules.evidence import UndeclaredNeedsError
from ttt3r.update_rules.resets import Decision, ResetPolicy, StepEvidence, ask
from ttt3r.update_rules.rules.constant import ConstantRate


@dataclass(frozen=True)
class Seen:
    """A frame of a trial: what the policy was shown, what it said, and the memory with which the stream goes on."""

    evidence: StepEvidence
    decision: Decision
    memory: Memory


@dataclass(frozen=True)
class PolicyTrial:
    """A policy and the stream that it is tried on; the rule is a constant."""

    policy: ResetPolicy
    frames: SyntheticStream

    @property
    def masks(self) -> Bool[Tensor, "frame batch"]:
        """Write masks under which the sequences of the batch reach different ages."""
        return Trial(ConstantRate(0.5), self.frames).uneven

    def begin(self, policy: ResetPolicy | None = None) -> Memory:
        """The memory before the first frame."""
        first = self.frames[0]
        memory = Memory.start(first.initial_state, torch.zeros_like(first.pose))
        return replace(memory, policy=(policy or self.policy).init(memory))

    def shown(self, memory: Memory, frame: SyntheticFrame, write: Bool[Tensor, " batch"]) -> StepEvidence:
        """What the policy sees of a frame."""
        taken = absorb(
            ConstantRate(0.5), memory, frame.proposal(), frame.evidence(ConstantRate.needs, memory.age), write
        )
        make: Callable[[Outputs], Reconstruction] = frame.reconstruction.only
        return StepEvidence(memory, taken.memory, taken.gain, frame.candidate, self.policy.outputs, make)

    def run(
        self,
        memory: Memory | None = None,
        start: int = 0,
        policy: ResetPolicy | None = None,
        masks: Bool[Tensor, "frame batch"] | None = None,
    ) -> list[Seen]:
        """The stream from a frame on. Where a chunk ends, the same frame begins the next one, as in the loop."""
        policy = policy or self.policy
        memory, seen = memory or self.begin(policy), list[Seen]()
        for frame, write in zip(self.frames[start:], (self.masks if masks is None else masks)[start:], strict=True):
            evidence = self.shown(memory, frame, write)
            decision = ask(policy, evidence, write)
            after = replace(evidence.memory, policy=decision.state)
            fresh = replace(self.begin(policy), seen=after.seen)
            again = self.shown(fresh, frame, torch.ones_like(write)).memory
            memory = tree.select(decision.ends, replace(again, seen=after.seen), after)
            seen.append(Seen(evidence, decision, memory))
        return seen


PolicyLaw = Callable[[PolicyTrial], None]


def answers_fit_and_needs_are_declared(trial: PolicyTrial) -> None:
    """Every frame is answered from declared heads alone: a truth value for each sequence, a state with the batch first."""
    batch = len(trial.masks[0])
    for name, tensor in tree.named_tensors(trial.begin().policy):
        if tensor.ndim == 0 or len(tensor) != batch:
            raise Violation(
                f"{batch} rows", f"{name} is {tree.form(tensor)}", "make it in init() with memory.batch rows"
            )
    try:
        trial.run()
    except UndeclaredNeedsError as error:
        raise Violation(f"no heads beyond outputs = {trial.policy.outputs}", "it asked for more", str(error)) from error


def results_repeat(trial: PolicyTrial) -> None:
    """The same stream gives the same resets, bit for bit."""
    runs = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        runs.append(tuple((one.decision, one.memory) for one in trial.run()))
    if found := difference(runs[0], runs[1], tolerance=0.0):
        raise Violation("two runs to agree", found, "draw no random numbers and keep nothing in self")


def nothing_is_kept_in_the_policy(trial: PolicyTrial) -> None:
    """A policy remembers only through its state."""
    before = contents_of(vars(trial.policy))
    trial.run()
    if contents_of(vars(trial.policy)) != before:
        raise Violation(
            "the policy to stay as it was", "its attributes changed", "carry it in the state that init() makes"
        )


def inputs_are_never_changed(trial: PolicyTrial) -> None:
    """The policy changes neither memory nor reading nor its own state in place."""
    memory = trial.begin()
    for frame, write in zip(trial.frames, trial.masks, strict=True):
        evidence = trial.shown(memory, frame, write)
        parts = evidence.before, evidence.memory, evidence.gain, evidence.candidate, frame.reconstruction
        kept = tree.map_tensors(Tensor.clone, parts)
        decision = ask(trial.policy, evidence, write)
        if found := difference(kept, parts, tolerance=0.0):
            raise Violation("inputs to stay as they were", found, "make new tensors instead of writing into these")
        memory = replace(evidence.memory, policy=decision.state)


def sequences_are_independent(trial: PolicyTrial) -> None:
    """Sequences side by side give what each gives alone."""
    together = trial.run()
    for row in range(len(trial.masks[0])):
        alone = PolicyTrial(trial.policy, tree.rows(trial.frames, row, row + 1))
        for index, one in enumerate(alone.run(masks=trial.masks[:, row : row + 1])):
            joint = together[index]
            found = difference((one.decision, one.memory), tree.rows((joint.decision, joint.memory), row, row + 1))
            if found:
                raise Violation("a batch to give what its sequences give", found, "reduce over no batch axis")


def resumed_equals_uninterrupted(trial: PolicyTrial) -> None:
    """A run that goes on from a saved memory, with another object of the same settings, gives the same resets."""
    pristine = copy.deepcopy(trial.policy)
    whole = trial.run()
    with tempfile.TemporaryDirectory() as folder:
        for at in range(1, len(trial.frames), 3):
            path = Path(folder) / "memory"
            whole[at - 1].memory.save(path)
            memory = Memory.load(path, trial.masks.device)
            rest = trial.run(memory, at, copy.deepcopy(pristine))
            pairs = ((one.decision, one.memory) for one in rest), ((one.decision, one.memory) for one in whole[at:])
            if found := difference(tuple(pairs[0]), tuple(pairs[1]), tolerance=0.0):
                raise Violation("a resumed run to equal one that never stopped", found, "carry all of it in the state")


def unwritten_frames_leave_no_trace(trial: PolicyTrial) -> None:
    """Where a frame was not absorbed no chunk ends and the state stays; such a frame may be of any size."""
    memory = trial.begin()
    for one, write in zip(trial.run(), trial.masks, strict=True):
        left = tree.select(~write, one.decision.state, memory.policy)
        found = difference(left, memory.policy, tolerance=0.0)
        if bool((one.decision.ends & ~write).any()) or found:
            raise Violation("nothing to change", found or "a chunk ended", "let the loop's ask() answer")
        memory = one.memory
    frame, write = trial.frames[0].taller(), torch.zeros_like(trial.masks[0])
    evidence = replace(trial.shown(memory, trial.frames[0], write), make_reconstruction=frame.reconstruction.only)
    ask(trial.policy, evidence, write)


def a_chunk_begins_anew(trial: PolicyTrial) -> None:
    """The state at the beginning of a chunk is the same whatever the memory held before."""
    start = trial.begin()
    for one in trial.run():
        if found := difference(trial.policy.init(one.memory), start.policy, tolerance=0.0):
            raise Violation("init() to depend on batch size and device alone", found, "make it of constants")


POLICY_LAWS: tuple[PolicyLaw, ...] = (
    answers_fit_and_needs_are_declared,
    results_repeat,
    nothing_is_kept_in_the_policy,
    inputs_are_never_changed,
    sequences_are_independent,
    resumed_equals_uninterrupted,
    unwritten_frames_leave_no_trace,
    a_chunk_begins_anew,
)
"""All laws of a reset policy, in the order in which `check_policy` tries them."""


def check_policy(
    policy: ResetPolicy, *, sizes: Sizes = Sizes(frames=16), device: torch.device | str = "cpu", seed: int = 0
) -> LawReport:
    """Try a reset policy against every law, on synthetic streams and without a network.

    Give it settings under which it resets within the stream, or little is tried.

    Args:
        policy: an object with its settings.
        sizes: sizes of the streams.
        device: where they live.
        seed: of the streams.

    Raises:
        BrokenLaw: if a law is broken; names each of them.
        TypeError: if this is no policy.

    Examples:
        >>> from ttt3r.update_rules import Every
        >>> print(str(check_policy(Every(3))).splitlines()[0])
        Every(n=3) keeps all 8 laws
    """
    if not isinstance(policy, ResetPolicy):
        raise TypeError(f"{policy!r} is no reset policy; give an object such as Every(100)")
    broken: dict[str, str] = {}
    cause: BaseException | None = None
    frames = make_stream(sizes, device, seed)
    cuda = [torch.device(device)] if torch.device(device).type == "cuda" else []
    for law in POLICY_LAWS:
        trial = PolicyTrial(copy.deepcopy(policy), tree.map_tensors(Tensor.clone, frames))
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=cuda):
                law(trial)
        except Violation as violation:
            broken[law.__name__] = str(violation)
        except Exception as error:
            broken[law.__name__] = (
                f"expected that {meaning(law)[0].lower()}{meaning(law)[1:-1]}, but {first_line(error)}"
            )
            cause = cause or error
    if broken:
        raise BrokenLaw(repr(policy), broken, laws=len(POLICY_LAWS)) from cause
    return LawReport(repr(policy), tuple((law.__name__, meaning(law)) for law in POLICY_LAWS))
