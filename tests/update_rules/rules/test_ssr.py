"""The self-expressive window: the plain form, its limits (there is no recorded run of its model)."""

import pytest
import torch

from ttt3r.update_rules import SSR, FullOverwrite
from ttt3r.update_rules.conformance.streams import Sizes, make_stream
from ttt3r.update_rules.conformance.trial import Trial
from ttt3r.update_rules.rules.ssr import Window


def plain(candidates, window, temperature):
    """The same, one state and one product at a time, over a list that only grows."""
    states = [candidates[0]]
    for candidate in candidates[1:]:
        members = [*states[-window:], candidate]
        affinity = torch.stack([(candidate * member).mean() / temperature for member in members])
        states.append(torch.stack([c * m for c, m in zip(affinity.softmax(0), members, strict=True)]).sum(0))
    return torch.stack(states)


@pytest.mark.parametrize("window", [1, 3, 8])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_it_is_the_plain_form(window, temperature):
    frames = make_stream(Sizes(batch=2, frames=8))
    taken = Trial(SSR(window, temperature), frames).run()
    for row in range(2):
        expected = plain([frame.candidate[row] for frame in frames], window, temperature)
        torch.testing.assert_close(torch.stack([absorbed.memory.state[row] for absorbed in taken]), expected)


def test_cold_it_takes_the_candidate_and_hot_it_averages():
    frames = make_stream(Sizes(batch=1, frames=4))
    cold, overwrite = (Trial(rule, frames).run() for rule in (SSR(4, 1e-4), FullOverwrite()))
    torch.testing.assert_close(cold[-1].memory.state, overwrite[-1].memory.state)
    hot = Trial(SSR(4, 1e6), frames).run()
    earlier = [absorbed.memory.state for absorbed in hot[:-1]]
    torch.testing.assert_close(hot[-1].memory.state, torch.stack([*earlier, frames[-1].candidate]).mean(0))


def test_the_initial_state_never_enters_the_window():
    frames = make_stream(Sizes(batch=1, frames=3))
    taken = Trial(SSR(4), frames).run()
    windows = [w for absorbed in taken if isinstance(w := absorbed.memory.rule, Window)]
    assert [int(window.count) for window in windows] == [0, 1, 2]
    states = windows[-1].states[0]
    assert not bool(states[:2].any())
    assert torch.equal(states[2:], torch.stack([absorbed.memory.state[0] for absorbed in taken[:2]]))


@pytest.mark.parametrize("settings", [{"window": 0}, {"temperature": 0.0}])
def test_settings_outside_their_range_are_refused(settings):
    with pytest.raises(ValueError, match="must be at least 1"):
        SSR(**settings)
