"""The control of a lower frame rate: bit for bit CUT3R at every k-th frame."""

import pytest
import torch

from ttt3r import tree
from ttt3r.update_rules import EveryNth, FullOverwrite, RuleLabel, Stride
from ttt3r.update_rules.conformance.streams import Sizes, make_stream
from ttt3r.update_rules.conformance.trial import Trial

FRAMES = make_stream(Sizes(frames=8))


@pytest.mark.parametrize("k", [1, 2, 3, 20])
@pytest.mark.parametrize("uneven", [False, True])
def test_it_is_every_nth_of_cut3r_bit_for_bit(k, uneven):
    write = Trial(Stride(k), FRAMES).uneven if uneven else None
    ours = Trial(Stride(k), FRAMES).run(write=write)
    theirs = Trial(EveryNth(FullOverwrite(), k), FRAMES).run(write=write)
    for one, other in zip(ours, theirs, strict=True):
        for (name, left), (_, right) in zip(tree.named_tensors(one), tree.named_tensors(other), strict=True):
            assert torch.equal(left, right), name


def test_both_memories_hold_the_last_frame_that_was_written():
    for index, absorbed in enumerate(Trial(Stride(3), FRAMES).run()):
        assert torch.equal(absorbed.memory.state, FRAMES[index // 3 * 3].candidate)
        assert torch.equal(absorbed.memory.pose, FRAMES[index // 3 * 3].pose)
        assert absorbed.gain.eq(1.0 if index % 3 == 0 else 0.0).all()


def test_its_short_name_and_its_setting():
    assert RuleLabel.parse("stride:k=5").make() == Stride(5)
    assert str(RuleLabel.of(Stride(2))) == "stride:k=2"
    for k in (0, -1):
        with pytest.raises(ValueError, match="k must be at least 1"):
            Stride(k)
