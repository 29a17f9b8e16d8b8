"""The laws that every rule keeps, one function each. A law looks at a trial and raises `Violation` where it is broken.

A fault of a rule that no law finds gets a law here.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

import ttt3r.tree as tree
from ttt3r.update_rules.absorption import keeps_form
from ttt3r.update_rules.base import blend, modules
from ttt3r.update_rules.conformance.settings import settings_print_compare_and_hash
from ttt3r.update_rules.conformance.trial import (
    TOLERANCE,
    Trial,
    Violation,
    contents_of,
    difference,
    forms,
    require_finite,
    spread,
    with_larger_logits,
)
from ttt3r.update_rules.evidence import UndeclaredNeedsError

Law = Callable[[Trial], None]


def needs_are_declared(trial: Trial) -> None:
    """A rule looks only at evidence that it declares in `needs`."""
    try:
        list(trial.answers())
    except UndeclaredNeedsError as error:
        raise Violation(
            f"no evidence beyond needs = {trial.rule.needs}", "the rule asked for more", str(error)
        ) from error
    except Exception:
        return  # another law checks this: one mistake should not be reported under each


def answers_fit_the_memory(trial: Trial) -> None:
    """Every frame is answered, with a state (and a gain) of the memory's shape, dtype and device."""
    for memory, update in trial.answers_until(UndeclaredNeedsError):
        old, new = memory.state, update.state
        if (new.shape, new.dtype, new.device) != (old.shape, old.dtype, old.device):
            cure = "return a state of the same shape, and end with .to(state) if only dtype or device differ"
            raise Violation(f"a state of {tree.form(old)}", f"it was {tree.form(new)}", cure)
        if update.gain is not None and update.gain.shape not in (old.shape, (*old.shape[:2], 1)):
            cure = "keep the last axis, for instance with gain[..., None]"
            raise Violation(f"a gain of {(*old.shape[:2], 1)}", f"it was {tuple(update.gain.shape)}", cure)


def gains_keep_their_bounds(trial: Trial) -> None:
    """A named gain stays within the rule's `bounds`, [0, 1] unless it says otherwise."""
    bounds = trial.rule.bounds
    for _, update in trial.answers_until(Exception):
        if update.gain is None or bounds is None:
            continue
        low, high = (float(end) for end in update.gain.aminmax())
        if not (low >= bounds[0] - TOLERANCE and high <= bounds[1] + TOLERANCE):
            cure = "clamp it, or declare `bounds = None` if the rule means to leave the range"
            raise Violation(f"gains in {list(bounds)}", f"they were from {low:.4g} to {high:.4g}", cure)


def rule_state_keeps_its_size(trial: Trial) -> None:
    """What a rule carries is of one structure and size from `init` on, however long the stream."""
    for memory, update in trial.answers_until(Exception):
        before, after = forms(memory.rule), forms(update.rule_state)
        same = type(memory.rule) is type(update.rule_state) and before.keys() == after.keys()
        if same and bool((memory.age == 0).all()):  # an axis of length 1 may take its length from the first frame
            pairs = zip(tree.named_tensors(memory.rule), tree.named_tensors(update.rule_state), strict=True)
            same = all(keeps_form(was, now) for (_, was), (_, now) in pairs)
        elif same:
            same = before == after
        if not same:
            cure = "make it in init() with the shape and dtype that it keeps: memory is constant in the length of the stream"
            raise Violation(f"a rule state like {before}", f"it became {after}", cure)


def first_frame_is_the_candidate(trial: Trial) -> None:
    """The first frame of a sequence is taken whole, gain 1, whatever the rule says and whatever age the others have."""
    memory, written = trial.begin(), torch.zeros_like(trial.uneven[0])
    for frame, write in zip(trial.frames, trial.uneven, strict=True):
        candidate, first = frame.candidate.clone(), write & ~written
        taken = trial.absorb(memory, frame, write)
        whole = all(torch.equal(taken.memory.state[first], shown[first]) for shown in (candidate, frame.candidate))
        if not (whole and bool((taken.gain[first] == 1).all())):
            cure = "do not change the candidate in place"
            raise Violation("the state after a first frame to equal its candidate", "it differs", cure)
        memory, written = taken.memory, written | write


def a_named_gain_is_the_one_taken(trial: Trial) -> None:
    """Where an update names a gain, its state is S + gain (candidate - S)."""
    for (memory, update), frame in zip(trial.answers(), trial.frames, strict=True):
        if update.gain is None:
            continue
        gap = float((blend(memory.state, frame.candidate, update.gain) - update.state).abs().max())
        if not gap <= TOLERANCE * (1 + float(update.state.abs().max())):
            cure = "leave `gain` out of the Update if the step has another form; it is then measured"
            raise Violation("the state that the named gain leads to", f"it is {gap:.2g} away", cure)


def inputs_are_never_changed(trial: Trial) -> None:
    """A rule changes nothing that it was given: not the state, the candidate, the evidence, nor its own old state."""
    memory = trial.begin()
    for frame in trial.frames:
        given = {"memory": memory, "frame": frame}
        versions = {name: tensor._version for name, tensor in tree.named_tensors(given)}
        copies = {name: tensor.clone() for name, tensor in tree.named_tensors(given)}
        absorbed = trial.absorb(memory, frame)
        for name, tensor in tree.named_tensors(given):
            if tensor._version != versions[name] or not torch.equal(tensor, copies[name]):
                cure = "write x = x * 2 instead of x *= 2 or x.mul_(2), and torch.where instead of x[mask] = ..."
                raise Violation("the inputs untouched", f"{name} was changed in place", cure)
        memory = absorbed.memory


def an_unwritten_memory_is_untouched(trial: Trial) -> None:
    """A sequence that does not write keeps its memory bit for bit, its rule's state included; a question has any size."""
    memory = trial.begin()
    nobody = torch.zeros_like(memory.age, dtype=torch.bool)
    cure = "change nothing in place and keep nothing in self"
    for index, frame in enumerate(trial.frames):
        others = torch.arange(memory.batch, device=nobody.device) == index % memory.batch
        before = tree.map_tensors(Tensor.clone, memory)
        for shown in (frame, frame.taller()):
            trial.attend(memory, shown)
            after = trial.absorb(memory, shown, nobody).memory
            if found := difference(replace(before, seen=after.seen), after, tolerance=0.0):
                raise Violation("an unwritten memory to stay as it is", found, cure)
        after = trial.absorb(memory, frame, others).memory
        expected = spread(replace(before, seen=after.seen), after)  # one sequence that writes gives all their lengths
        kept = tree.select(others, after, expected)
        if found := difference(kept, after, tolerance=0.0):
            raise Violation("an unwritten memory to stay as it is beside one that is written", found, cure)
        memory = trial.absorb(memory, frame).memory


def samples_are_independent(trial: Trial) -> None:
    """A batch gives what its sequences give one by one, in any order, at any ages."""
    batch, write = trial.frames[0].candidate.shape[0], trial.uneven
    whole = trial.run(write=write)
    cure = "reduce over tokens or channels only, never over the batch, and read evidence.age per sequence"
    for row in range(batch):
        own = tree.rows(tuple(whole), row, row + 1)
        alone = tuple(trial.run(tree.rows(trial.frames, row, row + 1), write[:, row : row + 1]))
        found = difference(own, spread(alone, own))
        if found:
            raise Violation("a batch to equal its singles", found, cure)
    order = torch.arange(batch, device=write.device).roll(1)
    shuffled = trial.run(tree.map_tensors(lambda tensor: tensor[order], trial.frames), write[:, order])
    found = difference(tree.map_tensors(lambda tensor: tensor[order], tuple(whole)), tuple(shuffled))
    if found:
        raise Violation("a shuffled batch to give shuffled results", found, cure)


def huge_logits_stay_finite(trial: Trial) -> None:
    """Logits of +-10,000 give finite states and gains."""
    cure = "use torch.sigmoid, softmax or logsumexp instead of exp"
    for factor in (1e4, -1e4):
        require_finite(trial, with_larger_logits(trial.frames, factor), f"for logits times {factor:g}", cure)


def identical_candidates_stay_finite(trial: Trial) -> None:
    """The same frame again and again, and a candidate equal to the state, give finite states and gains."""
    cure = "guard divisions: the step, its norm and differences between frames may be exactly 0"
    first = trial.frames[0]
    require_finite(trial, (first,) * len(trial.frames), "for a frame that repeats", cure)
    at_rest = replace(first, initial_state=first.candidate)
    require_finite(trial, (at_rest,) * len(trial.frames), "for a candidate equal to the state", cure)


def results_repeat(trial: Trial) -> None:
    """The same stream gives the same results, bit for bit."""
    torch.manual_seed(1)
    once = tuple(trial.run())
    torch.manual_seed(2)
    found = difference(once, tuple(trial.run()), tolerance=0.0)
    if found:
        cure = "draw no random numbers (a module: .eval()) and keep nothing in self"
        raise Violation("two runs to agree bit for bit", found, cure)


def nothing_is_kept_in_the_rule(trial: Trial) -> None:
    """A rule remembers only through its rule state: streams that take turns on one rule object do not meet."""
    before = contents_of(trial.rule)
    here, there = trial.frames, trial.frames[::-1]
    separate = [tuple(trial.run(here)), tuple(trial.run(there))]
    cure = "return what must be remembered as rule_state (see init) instead of keeping it in self"
    memories = [trial.begin(here), trial.begin(there)]
    for index, pair in enumerate(zip(here, there, strict=True)):
        taken = [trial.absorb(memory, frame) for memory, frame in zip(memories, pair, strict=True)]
        for alone, now in zip(separate, taken, strict=True):
            found = difference(alone[index], now, tolerance=0.0)
            if found:
                raise Violation("two streams that take turns to give what they give alone", found, cure)
        memories = [absorbed.memory for absorbed in taken]
    if contents_of(trial.rule) != before:
        raise Violation("the rule object to stay as it was", "its attributes or buffers changed", cure)


def gradients_are_finite(trial: Trial) -> None:
    """Gradients flow from the state to the candidates, and to a learned rule's parameters, and are finite."""
    with torch.enable_grad():
        frames = tuple(replace(frame, candidate=frame.candidate.clone().requires_grad_()) for frame in trial.frames)
        ends = [trial.run(frames, write)[-1].memory.state for write in (None, trial.uneven)]
        loss = torch.stack(ends).square().sum()
        learned = [p for module in modules(trial.rule) for p in module.parameters() if p.requires_grad]
        inputs = [*(frame.candidate for frame in frames), *learned]
        gradients = torch.autograd.grad(loss, inputs, materialize_grads=True)
    if not all(bool(gradient.isfinite().all()) for gradient in gradients):
        cure = "guard divisions, roots and norms before they reach 0"
        raise Violation("finite gradients", "some are nan or infinite", cure)
    if not any(bool(gradient.any()) for gradient in gradients[: len(frames)]):
        raise Violation("a gradient from the state to the candidates", "it is zero", "do not detach the candidate")
    if learned and not any(bool(gradient.any()) for gradient in gradients[len(frames) :]):
        raise Violation("a gradient to the learned parameters", "it is zero", "do not detach the gate")


FIRST: tuple[Law, ...] = (
    needs_are_declared,
    answers_fit_the_memory,
    gains_keep_their_bounds,
    rule_state_keeps_its_size,
)
"""Laws without which the others mean little: those are tried only if all of these hold."""

LAWS: tuple[Law, ...] = (
    *FIRST,
    first_frame_is_the_candidate,
    a_named_gain_is_the_one_taken,
    inputs_are_never_changed,
    an_unwritten_memory_is_untouched,
    samples_are_independent,
    huge_logits_stay_finite,
    identical_candidates_stay_finite,
    results_repeat,
    nothing_is_kept_in_the_rule,
    gradients_are_finite,
    settings_print_compare_and_hash,
)
"""Every law, in the order in which they are tried."""
