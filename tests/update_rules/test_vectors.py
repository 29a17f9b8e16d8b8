"""Lengths and angles: plain where they are defined, finite with finite gradients where they are not."""

import pytest
import torch

from ttt3r.update_rules.vectors import cosine, length, motion, unit, wide


def test_they_are_the_plain_ones():
    a, b = torch.randn(2, 4, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(length(a), a.norm(dim=-1, keepdim=True))
    torch.testing.assert_close(unit(a), a / a.norm(dim=-1, keepdim=True))
    torch.testing.assert_close(cosine(a, b), torch.cosine_similarity(a, b, dim=-1)[..., None])


@pytest.mark.parametrize("function", [length, unit, lambda v: cosine(v, v + 1)])
def test_nothing_of_length_zero_is_harmful(function):
    zero = torch.zeros(2, 3, requires_grad=True)
    result = function(zero)
    assert not bool(result.any())
    (gradient,) = torch.autograd.grad(result.sum(), zero)
    assert bool(gradient.isfinite().all())


def test_half_precision_is_widened_and_double_is_kept():
    assert wide(torch.zeros(1, dtype=torch.bfloat16)).dtype == torch.float32
    assert wide(torch.zeros(1, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize("angle", [0.0, 1e-5, 0.3, 3.0, 3.14159])
def test_motion_is_metres_and_radians(angle):
    one, other = torch.eye(4, dtype=torch.float64), torch.eye(4, dtype=torch.float64)
    axis = torch.tensor([1.0, -2.0, 2.0], dtype=torch.float64) / 3
    cross = torch.stack([torch.linalg.cross(axis, e) for e in torch.eye(3, dtype=torch.float64)], dim=1)
    one[:3, :3] = torch.linalg.matrix_exp(0.7 * cross)
    other[:3, :3] = torch.linalg.matrix_exp((0.7 + angle) * cross)
    other[:3, 3] = torch.tensor([3.0, 4.0, 0.0])
    shift, turned = motion(one, other)
    assert float(shift) == 5
    assert float(turned) == pytest.approx(angle, rel=1e-6)
