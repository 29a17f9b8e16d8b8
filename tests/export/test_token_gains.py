"""Gains of tokens: what is painted on a patch, what a file holds, what is refused."""

import numpy as np
import pytest
import torch

from ttt3r.export import token_gains
from ttt3r.export.token_gains import TokenGains, of_frame, patch_grid


@pytest.fixture
def gains():
    generator = torch.Generator().manual_seed(3)
    gain = torch.rand(1, 5, 2, generator=generator)
    attention = torch.softmax(torch.randn(1, 5, 13, generator=generator), dim=-1)[..., 1:]
    return of_frame(gain, attention, (24, 32))


def test_a_patch_shows_the_mean_gain_of_those_who_look(gains):
    assert gains.grid == (3, 4)
    expected = np.zeros((3, 4))
    for row in range(3):
        for column in range(4):
            weights = gains.attention[:, 4 * row + column]
            expected[row, column] = sum(w * g for w, g in zip(weights, gains.gain, strict=True)) / sum(weights)
    np.testing.assert_allclose(gains.painted(), expected, atol=1e-6)
    assert gains.gain.min() <= gains.painted().min() <= gains.painted().max() <= gains.gain.max()
    np.testing.assert_allclose(gains.mass.sum(), gains.attention.sum(), rtol=1e-6)


def test_a_token_is_as_high_as_its_gain_where_it_looks_most(gains):
    heat = gains.of_token(2)
    assert heat.max() == pytest.approx(gains.gain[2])
    assert heat.argmax() == gains.attention[2].argmax()
    with pytest.raises(IndexError, match="there are 5"):
        gains.of_token(5)


def test_a_patch_that_nobody_sees_is_zero():
    seen = TokenGains(np.ones(2, np.float32), np.array([[1, 0], [0.5, 0]], np.float32), (1, 2))
    np.testing.assert_array_equal(seen.painted(), [[1, 0]])


def test_what_is_saved_comes_back(gains, tmp_path):
    file = tmp_path / token_gains.FOLDER / "frame_000000.npz"
    gains.save(file)
    back = TokenGains.load(file)
    assert back.grid == gains.grid
    np.testing.assert_allclose(back.attention, gains.attention, atol=1e-3)
    np.testing.assert_allclose(back.gain, gains.gain, atol=1e-3)
    assert [item.name for item in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04broken"])
def test_another_file_is_named(content, tmp_path):
    file = tmp_path / "frame_000000.npz"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"frame_000000\.npz"):
        TokenGains.load(file)


def test_what_does_not_fit_is_refused(gains):
    with pytest.raises(ValueError, match="5 tokens and a grid of 3 x 3"):
        TokenGains(gains.gain, gains.attention, (3, 3))
    assert patch_grid(48, 64, 48) == (6, 8)
    with pytest.raises(ValueError, match="47 patches"):
        patch_grid(48, 64, 47)
