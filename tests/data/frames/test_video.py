"""Videos: decoding, rotation, cut and damaged files. The files are written by the tests."""

import contextlib

import numpy as np
import pytest
from PIL import Image

from ttt3r.data import BrokenVideo, CropToPatches, Prefetch, Sampling, open_source, to_image
from ttt3r.data.frames import webcam

av = pytest.importorskip("av")

POLICY = CropToPatches(64)
SIZE = (96, 64)


def picture(index):
    """A red gradient with noise in one corner (so that packets have a size) that brightens with the index."""
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    pixels[: SIZE[1] // 2, : SIZE[0] // 2, 0] = 200
    pixels[..., 2] = 4 * index
    pixels[40:, 60:, 1] = np.random.default_rng(index).integers(0, 255, (24, 36))
    return pixels


def write(path, frames=30, codec="mpeg4", options=None):
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *SIZE, "yuv420p", 2_000_000
        for index in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index), "rgb24")))
        container.start_encoding()
        container.mux(stream.encode())
    return path


def cut(path, share):
    data = path.read_bytes()
    shorter = path.with_name("cut_" + path.name)
    shorter.write_bytes(data[: int(len(data) * share)])
    return shorter


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.mov"])
def test_every_frame_with_its_time(tmp_path, name):
    source = open_source(write(tmp_path / name), policy=POLICY)
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(30))
    np.testing.assert_allclose([frame.timestamp for frame in frames], np.arange(30) / 10, atol=1e-3)
    assert frames[7].name == f"{name} frame 7"
    if source.length is not None:  # mkv does not say
        assert len(source) == 30
    blue = [frame.image[0, 2, :, :20].mean().item() for frame in frames]
    np.testing.assert_allclose(blue, np.arange(30) * 4 / 127.5 - 1, atol=0.06)


def test_colours_are_those_of_the_picture(tmp_path):
    (frame, *_) = open_source(write(tmp_path / "a.mp4"), policy=CropToPatches(96))
    expected = np.asarray(CropToPatches(96)(Image.fromarray(picture(0)))).astype(float)
    assert np.abs(np.asarray(to_image(frame.image))[:, :50] - expected[:, :50]).mean() < 8


def test_sampling_a_video(tmp_path):
    path = write(tmp_path / "a.mp4")
    source = open_source(path, policy=POLICY, sampling=Sampling(stride=7, start=2, stop=20))
    assert [frame.index for frame in source] == [2, 9, 16]
    assert len(source) == 3
    assert [frame.index for frame in Prefetch(source)] == [2, 9, 16]
    with pytest.raises(ValueError, match="none of the 30 frames"):
        open_source(path, policy=POLICY, sampling=Sampling(start=30))


def test_a_video_of_unknown_length(tmp_path):
    path = write(tmp_path / "a.mkv")
    source = open_source(path, policy=POLICY, sampling=Sampling(stride=10))
    assert source.length is None
    assert bool(source)
    with pytest.raises(TypeError, match="not known beforehand"):
        len(source)
    assert [frame.index for frame in source] == [0, 10, 20]
    with pytest.raises(ValueError, match="no frame of a.mkv"):
        list(open_source(path, policy=POLICY, sampling=Sampling(start=50)))


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [((1, 0, 0, 1), 0), ((0, 1, -1, 0), -1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)],
)
def test_rotation_of_phones_is_honoured(tmp_path, matrix, turn):
    """The display matrix of the file is set by hand: x' = a x + c y, y' = b x + d y; turn counts quarters to the left."""
    path = write(tmp_path / "phone.mp4", frames=3)
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    a, b, c, d = (int(value * 65536).to_bytes(4, "big", signed=True) for value in matrix)
    data[start : start + 8] = a + b
    data[start + 12 : start + 20] = c + d
    path.write_bytes(data)
    (frame, *_) = open_source(path, policy=CropToPatches(96))
    expected = np.asarray(CropToPatches(96)(Image.fromarray(np.rot90(picture(0), turn).copy()))).astype(float)
    assert frame.image.shape[2:] == expected.shape[:2]
    found = np.asarray(to_image(frame.image))[..., 0].astype(float)
    assert np.abs(found - expected[..., 0]).mean() < 12


CUTS = [("a.mp4", {"movflags": "faststart"}), ("a.mkv", None), ("a.avi", None)]


@pytest.mark.parametrize(("name", "options"), CUTS)
def test_a_video_cut_short_gives_what_it_has_and_then_says_so(tmp_path, name, options):
    path = cut(write(tmp_path / name, options=options), 0.6)
    seen = []
    with pytest.raises(BrokenVideo, match=r"cut_a\.\w+ is broken after (\d+) frames: .*skip_broken") as caught:
        seen.extend(frame.index for frame in open_source(path, policy=POLICY))
    assert 5 < len(seen) < 25
    assert seen == list(range(len(seen)))
    assert f"after {len(seen)} frames" in str(caught.value)

    source = open_source(path, policy=POLICY, skip_broken=True)
    assert [frame.index for frame in source] == seen
    assert [name for name, _ in source.skipped] == [path.name]


@pytest.mark.parametrize(("name", "options"), CUTS)
def test_the_part_before_a_stop_is_not_blamed_for_the_cut(tmp_path, name, options):
    path = cut(write(tmp_path / name, options=options), 0.6)
    assert len(list(open_source(path, policy=POLICY, sampling=Sampling(stop=5)))) == 5


def test_files_without_frames_are_refused_when_opening(tmp_path):
    def refused(path, match):
        with pytest.raises(BrokenVideo, match=match):
            open_source(path, policy=POLICY)

    whole = write(tmp_path / "a.mp4")  # its index stands at the end
    refused(cut(whole, 0.6), r"cannot open .*cut_a\.mp4")
    (tmp_path / "text.mp4").write_text("not a video" * 100)
    refused(tmp_path / "text.mp4", r"text\.mp4")
    (tmp_path / "empty.mov").write_bytes(b"")
    refused(tmp_path / "empty.mov", r"empty\.mov")
    refused(write(tmp_path / "none.mkv", frames=0), r"none\.mkv")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    refused(tmp_path / "sound.mp4", "no video stream")


def test_damage_in_the_middle_never_passes_silently_as_another_error(tmp_path):
    data = write(tmp_path / "a.mp4").read_bytes()
    random = np.random.default_rng(0)
    for round in range(12):
        damaged = np.frombuffer(data, np.uint8).copy()
        place = random.integers(0, len(data) - 400)
        damaged[place : place + 400] = random.integers(0, 256, 400)
        path = tmp_path / f"damaged{round}.mp4"
        path.write_bytes(damaged.tobytes())
        with contextlib.suppress(BrokenVideo):
            assert len(list(open_source(path, policy=POLICY))) <= 30


def test_a_video_longer_than_its_sound_and_the_other_way_round_is_whole(tmp_path):
    for name, seconds in (("short.mp4", 1), ("long.mp4", 6), ("long.mkv", 6)):
        with av.open(str(tmp_path / name), "w") as container:
            video = container.add_stream("mpeg4", rate=10)
            video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
            audio = container.add_stream("aac", rate=8000)
            for index in range(30):
                container.mux(video.encode(av.VideoFrame.from_ndarray(picture(index), "rgb24")))
            container.mux(video.encode())
            for block in range(seconds * 8000 // 1000):
                sound = av.AudioFrame.from_ndarray(np.zeros((1, 1000), np.float32), "fltp", "mono")
                sound.sample_rate, sound.pts = 8000, block * 1000
                container.mux(audio.encode(sound))
            container.mux(audio.encode())
        assert len(list(open_source(tmp_path / name, policy=POLICY))) == 30


def test_a_camera_is_read_from_the_present_moment(tmp_path, monkeypatch):
    """There is no camera here: a file stands in for the device."""
    path = write(tmp_path / "device.mkv", frames=4)
    monkeypatch.setattr(webcam, "open_container", lambda address, *_: av.open(str(path)))
    monkeypatch.setattr(webcam.Path, "exists", lambda _: True)
    source = open_source("webcam:0", policy=POLICY, sampling=Sampling(stop=3))
    assert source.length is None
    frames = list(source)
    assert [frame.name for frame in frames] == [f"webcam:0 frame {index}" for index in range(3)]
    np.testing.assert_allclose([frame.timestamp for frame in frames], [0, 0.1, 0.2], atol=1e-3)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "frames", "shape"),
    [
        ("lady-running.mp4", 65, (1, 3, 112, 224 - 16)),
        ("davis_rollercoaster.mp4", 70, (1, 3, 112, 208)),
    ],
)
def test_real_videos(shared, name, frames, shape):
    source = open_source(shared / "data" / "video" / name, policy=CropToPatches(208), sampling=Sampling(stride=8))
    got = list(Prefetch(source))
    assert len(got) == len(source) == -(-frames // 8)
    assert {tuple(frame.image.shape) for frame in got} == {shape}
