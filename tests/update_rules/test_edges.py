"""The ends of what a rule may meet, for every rule of the table: finite results, whatever comes."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ttt3r import tree
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.rollout import rollout_rules
from ttt3r.types import Frame, Outputs
from ttt3r.update_rules import RULES, Sizes
from ttt3r.update_rules.conformance.streams import make_stream
from ttt3r.update_rules.conformance.trial import Trial

every_rule = pytest.mark.parametrize("name", list(RULES))
SMALL = Sizes(batch=2, frames=4, state=6)


def finite(value) -> bool:
    return all(bool(tensor.isfinite().all()) for _, tensor in tree.named_tensors(value) if tensor.is_floating_point())


@every_rule
@pytest.mark.parametrize(
    "sizes",
    [replace(SMALL, grid=(1, 1)), replace(SMALL, state=1), replace(SMALL, grid=(1, 1), state=1, batch=1)],
    ids=["one patch", "one state token", "one of each"],
)
def test_smallest_sizes(name, sizes):
    assert finite(tuple(Trial(RULES[name](), make_stream(sizes)).run()))


@every_rule
def test_the_same_frame_again_and_again(name):
    frame = make_stream(SMALL)[0]
    assert finite(tuple(Trial(RULES[name](), (frame,) * 30).run()))


@every_rule
def test_nothing_is_ever_written(name):
    trial = Trial(RULES[name](), make_stream(SMALL))
    taken = trial.run(write=torch.zeros(SMALL.frames, SMALL.batch, dtype=torch.bool))
    for absorbed in taken:
        assert torch.equal(absorbed.memory.state, trial.frames[0].initial_state)
        assert not bool(absorbed.gain.any())
        assert int(absorbed.memory.age.max()) == 0


@every_rule
def test_a_masked_first_frame_leaves_no_trace(name):
    trial = Trial(RULES[name](), make_stream(SMALL))
    write = torch.ones(SMALL.frames, SMALL.batch, dtype=torch.bool)
    write[0] = False
    masked = trial.run(write=write)[-1].memory
    later = Trial(trial.rule, tuple(replace(f, initial_state=trial.frames[0].initial_state) for f in trial.frames[1:]))
    without = later.run()[-1].memory
    assert torch.equal(masked.state, without.state)
    for (_, one), (_, other) in zip(tree.named_tensors(masked.rule), tree.named_tensors(without.rule), strict=True):
        assert torch.equal(one, other)


@every_rule
def test_half_precision(name):
    frames = make_stream(replace(SMALL, frames=6))
    half = tree.map_tensors(lambda tensor: tensor.bfloat16() if tensor.is_floating_point() else tensor, frames)
    taken, exact = Trial(RULES[name](), half).run(), Trial(RULES[name](), frames).run()
    assert finite(tuple(taken))
    assert all(absorbed.memory.state.dtype == torch.bfloat16 for absorbed in taken)
    # Gates that rank, sort or compare may take another turn; nothing may lose its scale.
    gap = (taken[-1].memory.state.float() - exact[-1].memory.state).abs().mean()
    assert float(gap.detach()) < 0.2


@every_rule
@pytest.mark.parametrize("frames", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_long_stream(name, frames):
    """The same few frames over and over, one of them many times: nothing grows, nothing vanishes into NaN."""
    stream = make_stream(Sizes(batch=1, frames=5, state=3, channel=4, grid=(1, 2), layers=1, heads=1))
    trial = Trial(RULES[name](), stream)
    memory = trial.begin()
    for index in range(frames):
        memory = trial.absorb(memory, stream[0] if index % 40 > 20 else stream[index % 5]).memory
    assert finite(memory)
    assert float(memory.state.detach().abs().max()) < 50


@pytest.fixture(scope="module")
def together():
    """One pass of all rules over two clips side by side, the second of which restarts at every frame."""
    network = CUT3R.random(replace(CUT3RConfig.tiny(), state_tokens=9), seed=1)
    pictures = torch.rand(8, 2, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    frames = [Frame(image, reset=torch.tensor([False, index > 0])) for index, image in enumerate(pictures)]
    rules = {name: rule() for name, rule in RULES.items()}
    return network, frames, list(rollout_rules(network, rules, frames, outputs=Outputs.CAMERA))


@every_rule
def test_one_pass_with_all_others_equals_a_pass_alone(name, together):
    network, frames, steps = together
    single = [Frame(frame.image[:1]) for frame in frames]
    alone = list(rollout_rules(network, {name: RULES[name]()}, single, outputs=Outputs.CAMERA))
    for joined, own in zip(steps, alone, strict=True):
        torch.testing.assert_close(joined[name].memory.state[:1], own[name].memory.state, rtol=1e-3, atol=1e-3)


@every_rule
def test_a_reset_at_every_frame_takes_every_candidate_whole(name, together):
    _, _, steps = together
    for step in steps:
        assert finite(step[name])
        gain: Tensor = step[name].gain[1]
        assert bool((gain == 1).all())
        assert int(step[name].memory.age[1]) == 1


@every_rule
def test_a_network_in_half_precision(name):
    network = CUT3R.random(replace(CUT3RConfig.tiny(), state_tokens=4), seed=1).bfloat16()
    network.heads.float()  # the readout is float32 in any case
    pictures = torch.rand(9, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    frames = [Frame(image.bfloat16()) for image in pictures]
    for step in rollout_rules(network, {name: RULES[name]()}, frames, outputs=Outputs.NOTHING):
        assert step[name].memory.state.dtype == torch.bfloat16
        assert finite(step[name].memory)
