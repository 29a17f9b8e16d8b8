"""Procedural clips as recordings: files in TUM layout, and sequences in memory."""

import numpy as np
import pytest
import torch

from ttt3r.data import CropToPatches, open_clip
from ttt3r.data.procedural import WorldConfig, as_clips, sample_clips, stream_clips, write_tum

WORLD = WorldConfig(width=64, height=48, patch=16)


def assert_close(found, wanted, atol):
    assert found is not None
    np.testing.assert_allclose(found, wanted.double().numpy(), atol=atol, rtol=0)


def test_what_is_written_is_read_again(tmp_path):
    clip = sample_clips(WORLD, batch=3, frames=5, seed=0).item(1)
    back = open_clip(write_tum(clip, tmp_path / "world"), policy=CropToPatches(64))
    images = torch.cat([frame.image for frame in back.source])
    torch.testing.assert_close(images, clip.image[:, 0], rtol=0, atol=1.01 / 255)
    assert_close(back.camera_to_world, clip.camera_to_world[:, 0], 1e-5)
    assert_close(back.intrinsics, clip.intrinsics[0], 1e-5)
    assert_close(back.depth(3), clip.depth[3, 0], 1.01 / 10_000)
    assert back.depth_files.length == back.depth_files.measured == 5


def test_pieces_are_written_one_after_the_other(tmp_path):
    whole = sample_clips(WORLD, batch=1, frames=5, seed=1)
    folder = write_tum(stream_clips(WORLD, batch=1, frames=5, seed=1, chunk=2), tmp_path / "world")
    back = open_clip(folder, policy=CropToPatches(64))
    np.testing.assert_allclose(np.diff(back.timestamps), 0.1)
    assert_close(back.camera_to_world, whole.camera_to_world[:, 0], 1e-5)


def test_depth_beyond_16_bits_is_not_measured(tmp_path):
    clip = sample_clips(WORLD, batch=1, frames=1, seed=2)
    clip.depth[0, 0, 0, 0] = 14.0
    back = open_clip(write_tum(clip, tmp_path / "world"), policy=CropToPatches(64))
    assert back.depth(0)[0, 0] == 0
    assert (back.depth(0)[0, 1:] > 0).all()


def test_a_folder_holds_one_clip_and_nothing_else_is_written_over(tmp_path):
    clips = sample_clips(WORLD, batch=2, frames=2, seed=3)
    with pytest.raises(ValueError, match=r"clip\.item\(0\)"):
        write_tum(clips, tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "rgb.txt").write_text("# timestamp filename\n")
    with pytest.raises(FileExistsError, match="give another folder"):
        write_tum(clips.item(0), tmp_path / "b")


def test_clips_in_memory_are_sequences_with_ground_truth():
    batch = sample_clips(WORLD, batch=2, frames=4, seed=4)
    one, two = as_clips(batch, "room")
    assert (one.name, two.name, one.source.length, two.source.skipped) == ("room 0", "room 1", 4, [])
    frames = list(two.source)
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert frames[3].timestamp == two.timestamps[3]
    assert torch.equal(torch.cat([frame.image for frame in two.source]), batch.image[:, 1])  # can be read twice
    np.testing.assert_array_equal(two.visible_depth(2), batch.depth[2, 1].double().numpy())
    np.testing.assert_array_equal(two.camera_to_world, batch.camera_to_world[:, 1].double().numpy())


def test_rules_can_be_compared_on_them():
    import ttt3r

    network = ttt3r.CUT3R.random(ttt3r.CUT3RConfig.tiny())
    clips = as_clips(sample_clips(WORLD, batch=2, frames=3, seed=5))
    table = ttt3r.compare(network, {"cut3r": ttt3r.update_rules.FullOverwrite()}, clips)
    assert len(table.rows) == 2
    assert all(np.isfinite([row.ate, row.depth_abs_rel]).all() for row in table.rows)
