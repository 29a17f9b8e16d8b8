import numpy as np
import pytest
import torch
from PIL import Image

from ttt3r import geometry
from ttt3r.evaluation.measures.gains import FrameGain
from ttt3r.evaluation.plots.cloud_image import BACKGROUND, View, shaded_image
from ttt3r.evaluation.plots.palette import rule_styles
from ttt3r.evaluation.plots.pictures import new_figure
from ttt3r.evaluation.plots.plots import legend_below, plot_gains, plot_point_cloud, plot_trajectories
from ttt3r.evaluation.results.knowing_nothing import KNOWS_NOTHING
from ttt3r.types import LengthUnit


def _cameras(count, seed=0):
    torch.manual_seed(seed)
    return geometry.pose_encoding_to_camera(torch.randn(count, 7, dtype=torch.float64)).numpy()


def _pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("with_truth", [True, False])
def test_trajectories_are_drawn(tmp_path, with_truth):
    pytest.importorskip("matplotlib")
    still = np.tile(np.eye(4), (9, 1, 1))
    truth = _cameras(9) if with_truth else None
    plot_trajectories(tmp_path / "t.png", {"ttt3r": _cameras(9, 1), "frozen": still}, truth)
    pixels = _pixels(tmp_path / "t.png")
    assert pixels.shape[1] > 1000
    assert (pixels == [0xD5, 0x5E, 0x00]).all(axis=-1).sum() > 200  # the orange of ttt3r
    assert (pixels == [0x00, 0x72, 0xB2]).all(axis=-1).sum() == 0  # and none of the blue of cut3r


@pytest.mark.parametrize("unknown", [[0], [4, 8], list(range(9))])
def test_frames_without_a_true_pose_are_left_out_of_the_picture(tmp_path, unknown):
    pytest.importorskip("matplotlib")
    truth, found = _cameras(9), _cameras(9, 1)
    truth[unknown] = -np.inf
    plot_trajectories(tmp_path / "some.png", {"ttt3r": found}, truth)
    known = np.isfinite(truth).all(axis=(1, 2))
    pixels = _pixels(tmp_path / "some.png")
    assert (pixels == [0xD5, 0x5E, 0x00]).all(axis=-1).sum() > 200
    plot_trajectories(tmp_path / "bare.png", {"ttt3r": found}, unit=LengthUnit.METRES)
    assert np.array_equal(pixels, _pixels(tmp_path / "bare.png")) != known.any()


def test_a_picture_is_whole_or_not_there(tmp_path, monkeypatch):
    figure = pytest.importorskip("matplotlib.figure").Figure

    def fail(self, path, **settings):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    plot_trajectories(tmp_path / "t.png", {"ttt3r": _cameras(5)})
    before = (tmp_path / "t.png").read_bytes()
    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="No space"):
        plot_trajectories(tmp_path / "t.png", {"ttt3r": _cameras(9)})
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == {tmp_path / "t.png": before}


def test_a_cloud_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    points = np.random.default_rng(0).normal(size=(2000, 3)).astype(np.float32) + [0, 0, 4]
    points[0] = np.nan
    colors = np.full((2000, 3), [200, 30, 30], np.uint8)
    plot_point_cloud(tmp_path / "c.png", points, colors, _cameras(5))
    plot_point_cloud(tmp_path / "d.png", points, colors)
    for name in ("c.png", "d.png"):
        pixels = _pixels(tmp_path / name).astype(int)
        assert (pixels[..., 0] - pixels[..., 1] > 100).mean() > 0.05


def test_a_cloud_without_points_is_refused(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="none of 2 points is finite"):
        plot_point_cloud(tmp_path / "c.png", np.full((2, 3), np.nan), np.zeros((2, 3), np.uint8))


def test_the_nearest_point_wins():
    view = View(np.eye(4), 20.0, (8.0, 6.0), 16, 12, radius=1.0)
    points = np.array([[0, 0, 2.0], [0, 0, 4.0], [0, 0, -1.0]])
    colors = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    image = shaded_image(view, points, colors)
    np.testing.assert_array_equal(image[6, 8], [255, 0, 0])
    np.testing.assert_array_equal(image[0, 0], [BACKGROUND] * 3)
    np.testing.assert_array_equal(shaded_image(view, points[::-1], colors[::-1]), image)


def test_a_view_contains_the_cloud_upright():
    points = np.random.default_rng(0).uniform(-1, 1, size=(500, 3)) + [0, 0, 4]
    view = View.fit(points, np.eye(4)[None])
    flat, depth = view.project(points)
    assert (depth > 0).all()
    inside = (flat >= 0).all(axis=1) & (flat < [view.width, view.height]).all(axis=1)
    assert inside.mean() > 0.97
    (low, high), _ = view.project(np.array([[0, 1.0, 4], [0, -1.0, 4]]))  # y points down
    assert high[1] < low[1]
    np.testing.assert_allclose(np.linalg.det(view.world_to_view), 1)


@pytest.mark.parametrize("rules", [1, 10])
def test_gains_are_drawn(tmp_path, rules):
    pytest.importorskip("matplotlib")
    frame_gains = [FrameGain(0)] + [FrameGain(t, 0.3, 0.1, 0.2, 0.4, t / 2, 0.1, 0.1, 0.9) for t in range(1, 9)]
    names = [
        "cut3r",
        "ttt3r",
        "constant",
        "frozen",
        "ttsa3r",
        "filt3r",
        "retain",
        "ttt3r@8",
        "cut3r@8",
        "constant:rate=0.1",
    ]
    plot_gains(tmp_path / "g.png", {name: frame_gains for name in names[:rules]})
    pixels = _pixels(tmp_path / "g.png")
    color = {1: [0x00, 0x72, 0xB2], 10: [0x00, 0x9E, 0x73]}[rules]  # of cut3r, and of the last one
    assert pixels.shape[1] > 1000
    assert (pixels == color).all(axis=-1).sum() > 100


def pattern(line):
    """What matplotlib draws, for which it has no public name."""
    return line._dash_pattern


def test_gains_of_a_stream_of_one_frame_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    plot_gains(tmp_path / "g.png", {"a": [FrameGain(0)]})
    assert (tmp_path / "g.png").is_file()


def test_no_dash_looks_solid_in_a_legend():
    """The line of a legend shows at least two periods of the longest dash of what is drawn."""
    pytest.importorskip("matplotlib")
    names = [*KNOWS_NOTHING, "cut3r", "cut3r@8", "ttt3r", "control of ttt3r", "token mean of ttt3r"]
    figure = new_figure(8, 5)
    axes = figure.subplots()
    for name, style in rule_styles(names).items():
        axes.plot([0, 1], [0, 1], linestyle=style.line, color=style.color, linewidth=1.8, label=name)
    legend_below(figure, axes)
    (legend,) = figure.legends
    drawn = {line.get_label(): line for line in axes.get_lines()}
    for line, text in zip(legend.get_lines(), legend.get_texts(), strict=True):
        name = text.get_text()
        dashes = rule_styles(names)[name].dashes
        assert line.get_color() == drawn[name].get_color()
        assert pattern(line) == pattern(drawn[name])
        assert line.get_marker() == "None"  # a mark in the middle would fill a gap
        assert 2 * sum(dashes) * line.get_linewidth() <= legend.handlelength * float(text.get_fontsize())
    assert len({(line.get_color(), str(pattern(line))) for line in legend.get_lines()}) == len(names)
