"""The gate of frame change: closed forms (there is no recorded run of its model)."""

import math
from dataclasses import replace

import pytest
import torch

from ttt3r.update_rules import TTT3R, FrameChange, Product, Sizes
from ttt3r.update_rules.conformance.streams import make_stream
from ttt3r.update_rules.conformance.trial import Trial

USUAL = 1 - math.exp(-1)


def gains(rule, shifts, grid=(3, 4)):
    """Gains where each frame's features are those of the last, moved by a distance along one channel."""
    start = make_stream(Sizes(batch=1, grid=grid))[0]
    features, frames = start.decoder_first, []
    heading = torch.zeros_like(features)
    heading[..., 2] = 1
    for shift in (0.0, *shifts):
        features = features + shift * heading
        frames.append(replace(start, decoder_first=features))
    return [float(taken.gain.mean()) for taken in Trial(rule, tuple(frames)).run()[1:]]


def test_a_usual_change_gives_the_usual_gain_whatever_its_unit():
    for unit in (1e-3, 1.0, 1e3):
        assert gains(FrameChange(), [unit] * 5) == pytest.approx([USUAL] * 5, rel=1e-3)


def test_the_gain_follows_the_ratio_to_the_usual_change():
    found = gains(FrameChange(smoothing=0.5), [1.0, 3.0, 1.0, 0.0])
    assert found == pytest.approx([1 - math.exp(-ratio) for ratio in (1, 3, 1 / 2, 0)], rel=1e-4)


def test_a_frame_that_repeats_is_not_written():
    assert gains(FrameChange(), [0.0, 0.0, 1.0, 0.0]) == pytest.approx([0, 0, USUAL, 0], rel=1e-4)


@pytest.mark.parametrize("grid", [(1, 1), (1, 3), (4, 4), (5, 7)])
def test_any_number_of_patches_fits_what_is_carried(grid):
    assert gains(FrameChange(), [2.0, 2.0], grid) == pytest.approx([USUAL] * 2, rel=1e-3)


def test_one_number_for_all_tokens_that_goes_onto_another_gate():
    frames = make_stream()
    alone, gate, both = (
        Trial(rule, frames).run()[1].gain for rule in (FrameChange(), TTT3R(), Product((TTT3R(), FrameChange())))
    )
    assert torch.equal(alone, alone[:, :1].expand_as(alone))
    torch.testing.assert_close(both, alone * gate)


def test_a_smoothing_outside_its_range_is_refused():
    with pytest.raises(ValueError, match="must lie in"):
        FrameChange(1.0)
