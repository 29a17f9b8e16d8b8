"""What the scene shows, without a browser: points by step, colours, places, notes."""

from dataclasses import replace

import numpy as np
import pytest

from ttt3r.export import SavedRun
from ttt3r.types import LengthUnit
from ttt3r.viewer import Coloring, Limits, SceneStage, ViewLayout, ViewSettings
from ttt3r.viewer.colors import RUN_COLORS, depth_picture, depth_range, enlarged, painted_over, ramp, reduced
from ttt3r.viewer.panel import gain_table, legend

from .conftest import FRAMES

PLAIN = ViewSettings()


def points(stage, run, settings, steps=FRAMES):
    scale = stage.gain_range(settings)
    return [stage.runs[run].points(step, settings, scale) for step in range(steps)]


def test_every_point_appears_once_at_the_step_of_its_frame(stage, runs):
    cloud = SavedRun.open(runs / "a").cloud
    shown = points(stage, 0, PLAIN)
    assert [len(part.xyz) for part in shown] == np.bincount(cloud.frame, minlength=FRAMES).tolist()
    np.testing.assert_array_equal(np.concatenate([part.xyz for part in shown]), cloud.xyz)
    np.testing.assert_array_equal(np.concatenate([part.rgb for part in shown]), cloud.rgb)


def test_steps_of_several_frames_take_the_points_in_between(runs):
    stage = SceneStage.open([runs / "a"], Limits(every=4))
    assert stage.runs[0].steps == (0, 4, 6)
    cloud = stage.runs[0].cloud
    shown = [len(part.xyz) for part in points(stage, 0, PLAIN, steps=3)]
    first = int((cloud.frame == 0).sum())
    assert shown == [first, int((cloud.frame <= 4).sum()) - first, int((cloud.frame > 4).sum())]
    assert "3 of 7 frames are steps" in stage.notes()[0]


def test_the_threshold_leaves_the_surer_points(stage):
    confidence = stage.runs[0].cloud.confidence
    middle = float(np.median(confidence))
    shown = points(stage, 0, replace(PLAIN, min_confidence=middle))
    assert sum(len(part.xyz) for part in shown) == int((confidence >= middle).sum()) < len(confidence)
    low, high = stage.confidence_range
    assert low < high


def test_points_are_thinned_evenly_between_runs(runs):
    stage = SceneStage.open([runs / "a", runs / "b"], Limits(points=500))
    assert [len(run.cloud) for run in stage.runs] == [250, 250]
    assert len(np.unique(stage.runs[0].cloud.frame)) == FRAMES
    assert all("250 of" in note for note in stage.notes())


def test_colours_mean_what_they_say(stage):
    flat = points(stage, 1, replace(PLAIN, coloring=Coloring.RUN))[0].rgb
    assert (flat == RUN_COLORS[1]).all()
    sure = points(stage, 0, replace(PLAIN, coloring=Coloring.CONFIDENCE))[0].rgb
    assert len(np.unique(sure, axis=0)) > 1


@pytest.mark.parametrize("token", [None, 3])
def test_a_point_has_the_colour_of_the_gain_on_its_patch(stage, token):
    settings = replace(PLAIN, coloring=Coloring.GAIN, token=token, step=2)
    run, scale = stage.runs[1], stage.gain_range(settings)
    part = run.points(2, settings, scale)
    chosen = run.cloud.frame == 2
    gains = run.token_gains(2)
    heat = gains.painted() if token is None else gains.of_token(token)
    height, width = run.saved.pinholes[0].height, run.saved.pinholes[0].width
    side = height // gains.grid[0]
    for pixel, color in list(zip(run.cloud.pixel[chosen], part.rgb, strict=True))[::97]:
        row, column = divmod(int(pixel), width)
        value = heat[row // side, column // side]
        np.testing.assert_array_equal(color, ramp(np.array([value]), *scale)[0])
    image = run.picture(2, settings, scale)
    assert image.shape == (height, width, 3)
    assert not np.array_equal(image, run.saved.image(2))


def test_the_range_of_gains_leaves_the_first_frame_out(runs):
    alone = SceneStage.open([runs / "b"])
    low, high = alone.gain_range(PLAIN)
    later = np.concatenate([alone.runs[0].painting(frame, None).ravel() for frame in range(1, FRAMES)])
    assert low == pytest.approx(np.percentile(later, 2))
    assert high == pytest.approx(np.percentile(later, 98))
    assert alone.runs[0].painting(0, None) == pytest.approx(np.ones(alone.runs[0].token_gains(0).grid), abs=1e-3)
    assert alone.gain_range(replace(PLAIN, full_scale=True)) == (0, 1)
    assert alone.gain_range(replace(PLAIN, token=1)) == (0, 1)


def test_without_recorded_gains_the_cure_is_said(runs):
    stage = SceneStage.open([runs / "plain"])
    settings = replace(PLAIN, coloring=Coloring.GAIN)
    assert stage.tokens == 0
    assert "--record-gains" in legend(stage, settings)
    assert (points(stage, 0, settings, steps=4)[1].rgb == 150).all()
    np.testing.assert_array_equal(stage.runs[0].picture(1, settings, (0, 1)), stage.runs[0].saved.image(1))


def test_words_beside_the_scene(stage):
    settings = replace(PLAIN, step=3)
    table = gain_table(stage, settings)
    assert "a (cut3r) | 1.000 | 0.000" in table
    assert f"{stage.runs[1].saved.gains.mean[3]:.3f}" in table
    assert "weighted by their attention" in legend(stage, settings)
    assert "gain of token 2, 1.000 now" in legend(stage, replace(settings, token=2))


def test_runs_stand_apart_or_together(stage):
    width = stage.bounds[1, 0] - stage.bounds[0, 0]
    assert stage.offset(1, ViewLayout.SIDE_BY_SIDE)[0] > width
    assert not stage.offset(1, ViewLayout.OVERLAID).any()
    assert stage.is_shown(0, PLAIN)
    assert not stage.is_shown(0, ViewSettings(run=1, layout=ViewLayout.SINGLE))
    assert stage.is_shown(0, ViewSettings(run=1, layout=ViewLayout.OVERLAID))


def test_a_short_run_waits_at_its_end(runs):
    stage = SceneStage.open([runs / "a", runs / "plain"])
    short = stage.runs[1]
    assert (stage.steps, len(short.steps), short.last(6)) == (FRAMES, 4, 3)
    np.testing.assert_array_equal(short.camera(6), short.saved.camera_to_world[3])


def test_labels_differ(runs):
    stage = SceneStage.open([runs])
    assert [run.label for run in stage.runs] == ["a (cut3r)", "b (ttt3r)", "plain (ttt3r)"]


@pytest.mark.parametrize(
    "make",
    [lambda: Limits(points=0), lambda: Limits(every=0), lambda: ViewSettings(step=-1), lambda: SceneStage.open([])],
)
def test_nonsense_is_refused(make):
    with pytest.raises(ValueError, match="at least (1|one)|negative"):
        make()


def test_an_empty_cloud_is_said(runs, tmp_path, stage):
    from ttt3r.cli import main

    source, network = str(runs.parent / "sequence/rgb"), ["--network", "tiny-random", "--stop", "2"]
    assert main(["run", source, *network, "--min-confidence", "1e9", "--out", str(tmp_path / "none")]) == 0
    assert main(["run", source, *network, "--outputs", "cameras", "--out", str(tmp_path / "cameras")]) == 0
    notes = SceneStage.open([tmp_path]).notes()
    assert "no points, only cameras (run again with --outputs points)" in notes[0]
    assert "no point has a confidence of 1e+09; lower --min-confidence" in notes[1]


def test_pictures():
    heat = ramp(np.array([[0.0, 0.5, 1.0, np.nan]]), 0, 1)
    assert heat[0, 0].tolist() == heat[0, 3].tolist() == [52, 24, 96]
    assert heat[0, 2].tolist() == [250, 231, 60]
    assert ramp(np.array([0.3]), 0.3, 0.3).tolist() == [[250, 231, 60]]
    image = np.zeros((4, 8, 3), np.uint8)
    over = painted_over(image, heat[:, :2], weight=1.0)
    assert (over[:, :4] == heat[0, 0]).all()
    assert (over[:, 4:] == heat[0, 1]).all()
    depth = np.array([[1.0, 2.0, np.inf, -1.0]], np.float32)
    assert depth_picture(depth)[0, 2:].tolist() == [[128] * 3] * 2
    assert depth_picture(-depth[:, :2]).tolist() == [[[128] * 3] * 2]
    assert (depth_range(depth), depth_range(-depth[:, :1])) == (
        "1.02 m (yellow) to 1.98 m (dark)",
        "none in front of the camera",
    )
    assert depth_range(depth, LengthUnit.FIRST_VIEW).endswith("1.98 units of the first view (dark)")
    assert enlarged(image).shape == (160, 320, 3)
    assert reduced(image) is image
    assert reduced(np.zeros((384, 512, 3), np.uint8)).shape == (192, 256, 3)
