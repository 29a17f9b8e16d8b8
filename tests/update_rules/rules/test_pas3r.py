"""The gate of camera motion and detail: closed forms, and the image's way to it (there is no recorded run of its source)."""

import math
from dataclasses import replace

import pytest
import torch

from ttt3r.network import CUT3R, CUT3RConfig
from ttt3r.reconstructor import Reconstructor, recur
from ttt3r.rollout import rollout, rollout_rules
from ttt3r.types import Frame, Outputs
from ttt3r.update_rules import PAS3R, TTT3R, FullOverwrite, GatedUpdateRule
from ttt3r.update_rules.base import Gain
from ttt3r.update_rules.conformance.streams import Sizes, make_stream
from ttt3r.update_rules.conformance.trial import Trial
from ttt3r.update_rules.rules.pas3r import LastCamera, detail_share

NETWORK = CUT3R.random(replace(CUT3RConfig.tiny(), state_tokens=6), seed=0)


def pictures(batch=1, frames=4):
    random = torch.Generator().manual_seed(0)
    return [Frame(torch.rand(batch, 3, 32, 48, generator=random) * 2 - 1) for _ in range(frames)]


def moved(shift, angle):
    camera = torch.eye(4)
    camera[0, 3] = shift
    camera[:2, :2] = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return camera[None]


def gain(rule, camera, image):
    frame = make_stream(Sizes(batch=1))[0]
    shown = replace(frame.reconstruction, camera_to_world=camera)
    evidence = replace(
        frame.evidence(rule.needs, torch.ones(1, dtype=torch.long)),
        make_reconstruction=lambda outputs: shown,
        image=image,
    )
    found = rule.gain(frame.initial_state, frame.candidate, evidence, rule.init(frame.initial_state))
    assert torch.equal(found.value, found.value[:, :1].expand_as(found.value))
    return float(found.value[0, 0, 0]), found.rule_state


def test_the_gain_adds_metres_and_radians():
    noise = torch.rand(1, 3, 16, 16) * 2 - 1
    sharp = float(torch.sigmoid(20 * (detail_share(noise, 0.5) - 0.1)))
    for shift, angle in ((0.01, 0.0), (0.0, 0.02), (0.01, 0.02), (0.0, 0.0)):
        found, carried = gain(PAS3R(translation=5.0, rotation=20.0), moved(shift, angle), noise)
        assert found == pytest.approx((5 * shift + 20 * angle) * sharp, abs=1e-5)
        assert isinstance(carried, LastCamera)
        assert torch.equal(carried.camera_to_world, moved(shift, angle))
    assert gain(PAS3R(), moved(3.0, 3.0), noise)[0] == 1.0


def test_a_blurred_picture_counts_less_and_none_not_at_all():
    noise, camera = torch.rand(1, 3, 16, 16) * 2 - 1, moved(0.01, 0.0)
    flat = torch.zeros(1, 3, 16, 16)
    assert gain(PAS3R(), camera, noise)[0] > 0.09
    assert gain(PAS3R(), camera, flat)[0] == pytest.approx(0.1 / (1 + math.exp(2)), rel=1e-4)
    assert gain(PAS3R(), camera, None)[0] == 0.0


def test_the_share_of_detail_is_that_of_the_plain_spectrum():
    dot = -torch.ones(1, 3, 12, 20)
    dot[..., 4, 7] = 1  # a single bright pixel: a flat spectrum, so the share is one of area
    rows, columns = torch.fft.fftfreq(12).tolist(), torch.fft.fftfreq(20).tolist()
    fine = sum(math.hypot(u, v) > 0.25 for u in rows for v in columns)
    assert float(detail_share(dot, 0.5)) == pytest.approx(fine / 240, rel=1e-5)
    wave = torch.cos(2 * math.pi * 0.125 * torch.arange(16.0)).expand(1, 3, 16, 16)  # a quarter of Nyquist, on gray
    assert float(detail_share(wave, 0.5)) == pytest.approx(0, abs=1e-5)
    assert float(detail_share(wave, 0.2)) == pytest.approx(0.5, rel=1e-4)  # waves weigh 1/4 + 1/4, the mean 1/2
    assert float(detail_share(-torch.ones(1, 3, 8, 8), 0.5)) == 0  # black: no spectrum at all
    assert detail_share(dot.bfloat16(), 0.5).dtype == torch.float32


def test_the_image_reaches_each_rule_as_it_was_fed():
    seen = []

    class Watch(GatedUpdateRule):
        def gain(self, state, candidate, evidence, rule_state):
            seen.append(evidence.image)
            return Gain(torch.ones_like(state[..., :1]))

    frames = pictures(batch=2)
    list(rollout_rules(NETWORK, {"a": Watch(), "b": FullOverwrite(), "c": Watch()}, frames, chunk=2))
    assert len(seen) == 6  # not at the first frame, which is taken whole
    for index, image in enumerate(seen):
        fed = frames[1 + index // 2].image
        assert fed is not None
        assert torch.equal(image, fed)
    question = Frame(ray_map=torch.randn(2, 32, 48, 6))
    list(rollout(Reconstructor(NETWORK, Watch()), [frames[0], question]))
    assert len(seen) == 6  # nor at a question


def test_what_waits_for_the_heads_holds_no_image_unless_they_look_at_it():
    tokens = NETWORK.encode(pictures()[0])
    memory, write = NETWORK.initial_memory(1), torch.ones(1, dtype=torch.bool)
    found = recur(NETWORK, [FullOverwrite(), TTT3R()], tokens, [memory, memory], [write, write])
    assert tokens.image is not None
    assert [one.features.image for one in found] == [None, None]


def test_a_question_in_the_stream_leaves_no_trace():
    frames = pictures()
    question = Frame(ray_map=torch.randn(1, 32, 48, 6))
    model = Reconstructor(NETWORK, PAS3R())
    plain = list(rollout(model, frames, outputs=Outputs.CAMERA))
    asked = list(rollout(model, [frames[0], question, *frames[1:]], outputs=Outputs.CAMERA))
    assert not bool(asked[1].gain.any())
    assert torch.equal(asked[-1].memory.state, plain[-1].memory.state)


def test_a_camera_that_stands_still_writes_nothing():
    frame = make_stream(Sizes(batch=1))[0]
    taken = Trial(PAS3R(), (frame,) * 3).run()
    assert [float(absorbed.gain.max()) for absorbed in taken] == [1, 0, 0]


@pytest.mark.parametrize("settings", [{"translation": -1.0}, {"rotation": -1.0}, {"radius": 0.0}])
def test_settings_outside_their_range_are_refused(settings):
    with pytest.raises(ValueError, match="must be at least 0"):
        PAS3R(**settings)
