"""Edge cases of the published rules that carry or compare something, alone and behind a network."""

from dataclasses import replace

import pytest
import torch

from ttt3r import tree
from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout, rollout_rules
from ttt3r.types import Frame, Memory, Outputs
from ttt3r.update_rules import RULES, TTSA3R, EveryNth, MeMix, Sizes, StateUpdateRule, check_rule
from ttt3r.update_rules.conformance.streams import make_stream
from ttt3r.update_rules.conformance.trial import Trial, difference

OURS: dict[str, StateUpdateRule] = {name: RULES[name]() for name in ("ttsa3r", "filt3r", "memix", "recal3r")}
OURS |= {
    "memix over ttsa3r": MeMix(TTSA3R(), chunks=4, share=0.5),
    "every second ttsa3r": EveryNth(TTSA3R(), 2),
}
every_rule = pytest.mark.parametrize("rule", OURS.values(), ids=list(OURS))


@pytest.fixture(scope="module")
def network():
    return CUT3R.random(CUT3RConfig.tiny(), seed=1)


def finite(value) -> bool:
    return all(bool(tensor.isfinite().all()) for _, tensor in tree.named_tensors(value) if tensor.is_floating_point())


@every_rule
@pytest.mark.parametrize("sizes", [Sizes(grid=(1, 1)), Sizes(state=1), Sizes(state=1, grid=(1, 1), batch=1)], ids=str)
def test_one_patch_and_one_state_token(rule, sizes):
    if sizes.batch > 1:
        check_rule(rule, sizes=sizes)
    assert finite(tuple(Trial(rule, make_stream(sizes)).run()))


@every_rule
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_identical_frames(rule, dtype):
    frame = make_stream(Sizes())[0]
    frame = tree.map_tensors(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor, frame)
    taken = Trial(rule, (frame,) * 20).run()
    assert finite(tuple(taken))
    assert taken[-1].memory.state.dtype == dtype
    torch.testing.assert_close(taken[-1].memory.state, frame.candidate, rtol=1e-6, atol=1e-6)


@every_rule
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_masked_frames_leave_the_memory_as_it_is(rule, dtype):
    frames = tree.map_tensors(lambda t: t.to(dtype) if t.is_floating_point() else t, make_stream(Sizes()))
    trial = Trial(rule, frames)
    nothing = trial.run(write=torch.zeros(5, 3, dtype=torch.bool))
    assert finite(tuple(nothing))
    assert torch.equal(nothing[-1].memory.state, frames[0].initial_state)
    write = torch.ones(5, 3, dtype=torch.bool)
    write[0] = write[3] = False
    masked = trial.run(write=write)
    alone = trial.run((frames[1], frames[2], frames[4]))  # as if the masked frames had never been
    assert torch.equal(masked[-1].gain, alone[-1].gain)
    assert difference(replace(alone[-1].memory, seen=masked[-1].memory.seen), masked[-1].memory, tolerance=0.0) is None


@every_rule
@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_long_stream(rule, count):
    frames = make_stream(Sizes(batch=1, state=3, channel=2, feature=2, grid=(1, 2), layers=1, heads=1, dim=2))
    trial = Trial(rule, frames)
    memory: Memory = trial.begin()
    with torch.no_grad():
        for index in range(count):
            memory = trial.absorb(memory, frames[index % len(frames)]).memory
    assert finite(memory)
    assert memory.state.abs().max() < 10
    assert int(memory.age) == count


def images(count, batch=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [Frame(image) for image in torch.rand(count, batch, 3, 32, 48, generator=generator) * 2 - 1]


def close(one, other):
    assert difference(tuple(one), tuple(other), tolerance=5e-5) is None


def steps(network, rule, frames, **options):
    return list(rollout(Reconstructor(network, rule), frames, outputs=Outputs.CAMERA, **options))


@every_rule
def test_reset_on_every_frame(network, rule):
    frames = [replace(frame, reset=True) for frame in images(4)]
    for step, frame in zip(steps(network, rule, frames), frames, strict=True):
        assert step.gain.eq(1).all()
        close(steps(network, rule, [frame])[0].memory.state[None], step.memory.state[None])
    chained = steps(network, rule, images(4), reset_every=1)
    assert finite(tuple(chained))
    assert [int(step.memory.age) for step in chained] == [1] * 4


@every_rule
def test_identical_images_and_masks_behind_a_network(network, rule):
    frame = images(1)[0]
    assert finite(tuple(steps(network, rule, [frame] * 6)))
    masked = [replace(frame, write=False) for frame in images(3)]
    assert all(step.gain.eq(0).all() for step in steps(network, rule, masked))
    late = steps(network, rule, [masked[0], *images(3, seed=1)])
    soon = steps(network, rule, images(3, seed=1))
    assert torch.equal(late[-1].memory.state, soon[-1].memory.state)


@every_rule
def test_chunked_equals_streaming(network, rule):
    frames = images(6)
    close(steps(network, rule, frames, reset_every=4), steps(network, rule, frames, reset_every=4, chunk=3))


@every_rule
def test_a_batch_equals_its_singles_with_masks_and_resets_of_their_own(network, rule):
    a, b = images(5, seed=1), images(5, seed=2)
    writes = [(True, True), (True, False), (True, True), (False, True), (True, True)]
    resets = [(False, False), (False, False), (False, True), (False, False), (True, False)]

    def frames(rows):
        joined = tree.map_tensors(lambda one, other: torch.cat([one, other]), tuple(a), tuple(b))
        masks = zip(joined, writes, resets, strict=True)
        return [
            replace(tree.rows(i, rows.start, rows.stop), write=torch.tensor(w)[rows], reset=torch.tensor(r)[rows])
            for i, w, r in masks
        ]

    both = steps(network, rule, frames(slice(0, 2)))
    for row in range(2):
        alone = steps(network, rule, frames(slice(row, row + 1)))
        for one, other in zip(both, alone, strict=True):
            close([tree.rows(one.memory, row, row + 1)], [other.memory])
            close([one.gain[row : row + 1]], [other.gain])


def test_one_pass_with_all_others_equals_a_pass_each(network):
    rules: dict[str, StateUpdateRule] = {"cut3r": RULES["cut3r"](), "ttt3r": RULES["ttt3r"]()} | OURS
    policies = {"ttsa3r": 3, "filt3r": 2}
    together = list(rollout_rules(network, rules, images(5), reset_every=policies, outputs=Outputs.CAMERA))
    for name, rule in rules.items():
        alone = steps(network, rule, images(5), reset_every=policies.get(name))
        close([step[name] for step in together], alone)


@every_rule
def test_a_memory_is_saved_and_taken_up_again(network, rule, tmp_path):
    frames = images(5)
    whole = steps(network, rule, frames)
    half = steps(network, rule, frames[:2])[-1].memory
    half.save(tmp_path / "memory.safetensors")
    rest = steps(network, rule, frames[2:], memory=Memory.load(tmp_path / "memory.safetensors"))
    close([step.memory for step in rest], [step.memory for step in whole[2:]])


@every_rule
def test_a_network_in_half_precision(network, rule):
    single = steps(network, rule, images(4))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = steps(network, rule, images(4))
    assert finite(tuple(half))
    forms = [[tree.form(tensor) for _, tensor in tree.named_tensors(run[-1].memory)] for run in (half, single)]
    assert forms[0] == forms[1]  # what goes from frame to frame stays in float32
    gap = (half[-1].memory.state - single[-1].memory.state).abs().mean()
    assert gap < 0.2
