import json

import numpy as np
import pytest
import torch
from PIL import Image

from ttt3r.export.depth import read_depth, write_depth


def test_millimetres_and_exact_values(tmp_path):
    depth, confidence = 10 * torch.rand(6, 8) + 0.01, 1 + torch.rand(6, 8)
    write_depth(tmp_path / "depth", "a", depth, confidence)
    with Image.open(tmp_path / "depth" / "a.png") as image:
        assert image.mode == "I;16"
        np.testing.assert_array_equal(np.asarray(image), np.round(depth.double().numpy() * 1000))
    content = (tmp_path / "depth" / "a.png").read_bytes()
    assert tuple(content[24:26]) == (16, 0)  # bits of a sample, and grey, in the header of the PNG itself
    np.testing.assert_allclose(read_depth(tmp_path / "depth" / "a.png"), depth.numpy(), atol=0.00051)
    with np.load(tmp_path / "depth" / "a.npz", allow_pickle=False) as exact:
        np.testing.assert_array_equal(exact["depth"], depth.numpy())
        np.testing.assert_array_equal(exact["confidence"], confidence.numpy())


def test_what_does_not_fit_is_invalid(tmp_path):
    depth = torch.tensor([[-1.0, 0.0, float("nan"), float("inf"), float("-inf"), 65.535, 65.536, 1e30, 1e-5]])
    write_depth(tmp_path, "a", depth)
    np.testing.assert_allclose(read_depth(tmp_path / "a.png"), [[0, 0, 0, 0, 0, 65.535, 0, 0, 0]], rtol=1e-6)
    with np.load(tmp_path / "a.npz") as exact:
        np.testing.assert_array_equal(exact["depth"], depth.numpy())
        assert "confidence" not in exact


def test_another_scale_is_written_down(tmp_path):
    write_depth(tmp_path, "a", torch.tensor([[200.0]]), units_per_metre=256.0)
    assert json.loads((tmp_path / "scale.json").read_text())["units_per_metre"] == 256
    np.testing.assert_array_equal(read_depth(tmp_path / "a.png"), [[200]])


def test_a_png_without_scale_is_refused(tmp_path):
    Image.fromarray(np.ones((2, 2), np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="does not say its scale"):
        read_depth(tmp_path / "a.png")
