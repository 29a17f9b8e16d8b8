"""Videos as cameras, phones and browsers write them. The files are written by the tests; right values are closed forms."""

import io
import struct
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from ttt3r.data import BrokenVideo, CropToPatches, open_source
from ttt3r.data.frames.video import VideoFile
from ttt3r.data.frames.video_colors import to_srgb
from ttt3r.data.frames.video_ends import announced_size

av = pytest.importorskip("av")

WIDTH, HEIGHT = 128, 96
CORNERS = {"R": (220, 30, 30), "G": (30, 200, 30), "B": (30, 30, 220), "W": (240, 240, 240)}
ONE, UNIT = 65536, 1 << 30


def picture(width=WIDTH, height=HEIGHT):
    """Red and green above, blue and white below."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2], pixels[: height // 2, width // 2 :] = CORNERS["R"], CORNERS["G"]
    pixels[height // 2 :, : width // 2], pixels[height // 2 :, width // 2 :] = CORNERS["B"], CORNERS["W"]
    return pixels


def write(path, codec="libx264", frames=20, size=(WIDTH, HEIGHT), aspect=None, kind=None, **options):
    with av.open(str(path), "w", format=kind) as container:
        stream = container.add_stream(codec, rate=25 if codec.startswith("mpeg") else 10, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(*size), "rgb24")))
        container.mux(stream.encode())
    return path


def images(path):
    return [frame.load() for frame in VideoFile(path).read()]


def quarters(image):
    pixels = np.asarray(image).astype(int)
    height, width = pixels.shape[:2]
    return [pixels[y, x] for y in (height // 8, height * 7 // 8) for x in (width // 8, width * 7 // 8)]


def corners(image):
    return "".join(min(CORNERS, key=lambda name: np.abs(value - CORNERS[name]).sum()) for value in quarters(image))


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), "RGBW"),
        ((-1, 0, 0, 1), "GRWB"),
        ((1, 0, 0, -1), "BWRG"),
        ((-1, 0, 0, -1), "WBGR"),
        ((0, 1, 1, 0), "RBGW"),
        ((0, -1, -1, 0), "WGBR"),
        ((0, 1, -1, 0), "BRWG"),
        ((0, -1, 1, 0), "GWRB"),
    ],
)
def test_all_eight_display_matrices(tmp_path, matrix, shown):
    """x' = a x + c y, y' = b x + d y: where each corner goes, written out by hand."""
    path = write(tmp_path / "phone.mp4", frames=2)
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 44
    a, b, c, d = (ONE * value for value in matrix)
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, UNIT)
    path.write_bytes(data)
    image = images(path)[0]
    assert corners(image) == shown
    assert image.size == ((WIDTH, HEIGHT) if a else (HEIGHT, WIDTH))


def test_a_matrix_of_another_angle_is_said(tmp_path):
    path = write(tmp_path / "phone.mp4", frames=2)
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 44
    cosine, sine = round(ONE * np.cos(0.5)), round(ONE * np.sin(0.5))
    data[place : place + 36] = struct.pack(">9i", cosine, sine, 0, -sine, cosine, 0, 0, 0, UNIT)
    path.write_bytes(data)
    assert corners(images(path)[0]) == "RGBW"
    assert any("display matrix" in note for note in open_source(path, policy=CropToPatches(64)).notes)


@pytest.mark.parametrize(
    ("size", "aspect", "shown"),
    [((180, 144), Fraction(64, 45), (256, 144)), ((128, 96), Fraction(2, 3), (128, 144)), ((128, 96), None, (128, 96))],
)
def test_pixels_become_square(tmp_path, size, aspect, shown):
    for name in ("wide.mp4", "wide.mkv"):
        path = write(tmp_path / name, size=size, aspect=aspect, frames=2)
        assert images(path)[0].size == shown
        assert bool(VideoFile(path).notes) == (aspect is not None)


def test_a_turned_video_of_wide_pixels_is_stretched_before_it_is_turned(tmp_path):
    path = write(tmp_path / "phone.mp4", aspect=Fraction(2, 1), frames=2)
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 44
    data[place : place + 36] = struct.pack(">9i", 0, ONE, 0, -ONE, 0, 0, 0, 0, UNIT)
    path.write_bytes(data)
    assert images(path)[0].size == (HEIGHT, 2 * WIDTH)


def box(kind, content):
    return struct.pack(">I", 8 + len(content)) + kind + content


def test_a_cover_before_the_tracks_is_passed_over(tmp_path):
    cover = io.BytesIO()
    Image.new("RGB", (64, 48)).save(cover, "JPEG")
    item = box(b"covr", box(b"data", struct.pack(">II", 13, 0) + cover.getvalue()))
    handler = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    extra = box(b"udta", box(b"meta", bytes(4) + handler + box(b"ilst", item)))
    path = write(tmp_path / "drone.mp4")
    data = path.read_bytes()
    moov = data.find(b"moov") - 4
    track = data.find(b"trak", moov) - 4
    (size,) = struct.unpack(">I", data[moov : moov + 4])
    path.write_bytes(data[:moov] + struct.pack(">I", size + len(extra)) + data[moov + 4 : track] + extra + data[track:])
    assert {image.size for image in images(path)} == {(WIDTH, HEIGHT)}
    assert len(images(path)) == VideoFile(path).length == 20


def two_streams(path, first, second):
    """Streams of (codec, size, frames), the first one first."""
    with av.open(str(path), "w") as container:
        streams = []
        for codec, size, _ in (first, second):
            stream = container.add_stream(codec, rate=10)
            stream.width, stream.height, stream.pix_fmt = *size, "yuvj420p" if codec == "mjpeg" else "yuv420p"
            streams.append(stream)
        for stream, (_, size, frames) in zip(streams, (first, second), strict=True):
            for _ in range(frames):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(*size), "rgb24")))
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize("name", ["two.mkv", "two.mov"])
def test_a_preview_as_first_stream_is_passed_over(tmp_path, name):
    main = ("libx264", (WIDTH, HEIGHT), 12)
    still = VideoFile(two_streams(tmp_path / name, ("mjpeg", (320, 240), 1), main))
    assert [frame.load().size for frame in still.read()] == [(WIDTH, HEIGHT)] * 12
    assert not still.notes
    if name.endswith(".mov"):  # the muxer marks the first of two as the default, which then counts
        return
    moving = VideoFile(two_streams(tmp_path / f"m{name}", ("mjpeg", (64, 48), 12), main))
    assert [frame.load().size for frame in moving.read()] == [(WIDTH, HEIGHT)] * 12
    assert "64x48" in moving.notes[0]


WEIGHTS = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593)}


def planes(rgb, matrix, full, bits=8):
    """Y, Cb, Cr of R'G'B' in [0, 1] by the definitions of the standards, 4:2:0."""
    red, blue = WEIGHTS[matrix]
    r, g, b = np.moveaxis(rgb, -1, 0)
    luma = red * r + (1 - red - blue) * g + blue * b
    chroma = (b - luma) / (2 * (1 - blue)), (r - luma) / (2 * (1 - red))
    scale, top = 2 ** (bits - 8), 2**bits - 1
    y = luma * top if full else (luma * 219 + 16) * scale
    cb, cr = (c * top + 128 * scale if full else (c * 224 + 128) * scale for c in chroma)
    halves = [c.reshape(c.shape[0] // 2, 2, c.shape[1] // 2, 2).mean((1, 3)) for c in (cb, cr)]
    return [np.clip(np.round(p), 0, top).astype(np.uint16 if bits > 8 else np.uint8) for p in (y, *halves)]


def write_planes(path, values, pixels, tags=None):
    """Lossless, so that nothing but the conversion is measured. Tags: primaries, transfer, matrix, range."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        frame = av.VideoFrame(values[0].shape[1], values[0].shape[0], pixels)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, pixels
        for plane, data in zip(frame.planes, values, strict=True):
            rows = np.zeros((plane.height, plane.line_size), np.uint8)
            raw = data.view(np.uint8).reshape(len(data), -1)
            rows[:, : raw.shape[1]] = raw
            plane.update(rows.tobytes())
        if tags:
            context = stream.codec_context
            context.color_primaries, context.color_trc, context.colorspace, context.color_range = tags
            frame.colorspace, frame.color_range = tags[2:]
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("matrix", "full", "size", "tags"),
    [
        ("601", False, (128, 96), (6, 6, 6, 1)),
        ("601", True, (128, 96), (6, 6, 6, 2)),
        ("709", False, (128, 96), (1, 1, 1, 1)),
        ("709", True, (128, 96), (1, 1, 1, 2)),
        ("601", False, (1280, 720), (6, 6, 6, 1)),
        ("601", False, (128, 96), None),
        ("601", False, (720, 576), None),
        ("709", False, (1280, 96), None),
        ("709", False, (128, 720), None),
        ("2020", False, (128, 96), (1, 1, 9, 1)),
    ],
)
def test_colours_by_their_tags_or_by_their_size(tmp_path, matrix, full, size, tags):
    path = write_planes(tmp_path / "a.mkv", planes(picture(*size) / 255, matrix, full), "yuv420p", tags)
    for found, expected in zip(quarters(images(path)[0]), CORNERS.values(), strict=True):
        np.testing.assert_allclose(found, expected, atol=3)


def linear(code):
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # ITU-R BT.2087


def hlg(nits):
    """HLG code of light on a display of 1000 cd/m2: the inverse OOTF, then the OETF of BT.2100."""
    luminance = np.maximum(nits @ [0.2627, 0.6780, 0.0593], 1e-6)[..., None]
    scene = nits / 1000 * (luminance / 1000) ** (-0.2 / 1.2)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


def pq(nits):
    """The inverse EOTF of ST 2084."""
    power = (nits / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


@pytest.mark.parametrize(("transfer", "curve"), [(18, hlg), (16, pq)])
def test_high_dynamic_range_becomes_srgb(tmp_path, transfer, curve):
    """The picture shown at 203 cd/m2 for white, coded by the curves of the standards, comes back."""
    code = curve(linear(picture() / 255) @ TO_2020.T * 203)
    path = write_planes(tmp_path / "a.mkv", planes(code, "2020", False, 10), "yuv420p10le", (9, transfer, 9, 1))
    video = VideoFile(path)
    assert "high dynamic range" in video.notes[0]
    for found, expected in zip(quarters(images(path)[0]), CORNERS.values(), strict=True):
        np.testing.assert_allclose(found, expected, atol=8)


@pytest.mark.parametrize(("transfer", "curve"), [(18, hlg), (16, pq)])
def test_the_curves_are_undone_exactly_up_to_white_and_highlights_stay_in_order(transfer, curve):
    dark = np.random.default_rng(0).uniform(0, 0.86**0.45, (500, 3))
    back = to_srgb(curve(linear(dark) @ TO_2020.T * 203), 9, transfer)
    np.testing.assert_allclose(back, dark, atol=2e-3)
    nits = np.repeat(np.linspace(1, 1000, 300)[:, None], 3, 1)
    shown = to_srgb(curve(nits), 9, transfer)[:, 1]
    assert (np.diff(shown) > 0).all()
    assert shown[-1] <= 1


def test_another_gamut_becomes_that_of_srgb():
    """Display P3: its red lies outside of sRGB; white and grey stay."""
    found = to_srgb(np.array([[1.0, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0]]), 12, 13)
    np.testing.assert_allclose(found, [[1, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0]], atol=1e-6)


def subtitles_to(path, seconds):
    text = path.with_suffix(".srt")
    text.write_text(f"1\n00:00:00,000 --> 00:00:{seconds:02d},000\nhello\n")
    with av.open(str(text)) as words, av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        track = container.add_stream_from_template(words.streams.subtitles[0])
        for _ in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(), "rgb24")))
        container.mux(stream.encode())
        for packet in words.demux():
            if packet.dts is not None:
                packet.stream = track
                container.mux(packet)
    return path


def with_duration(path, milliseconds):
    """A WebM or Matroska file of which the header announces another duration."""
    data = bytearray(path.read_bytes())
    place = data.find(b"\x44\x89\x88") + 3
    data[place : place + 8] = struct.pack(">d", milliseconds)
    path.write_bytes(data)
    return path


def test_a_header_longer_than_the_pictures_is_no_damage(tmp_path):
    movie = write(tmp_path / "movie.mp4")
    data = bytearray(movie.read_bytes())
    place = data.find(b"mvhd") + 20
    data[place : place + 4] = struct.pack(">I", 90_000)
    movie.write_bytes(data)
    for path in (
        subtitles_to(tmp_path / "words.mkv", 50),
        with_duration(write(tmp_path / "recorded.webm", "libvpx"), 4_000_000.0),
        movie,
    ):
        assert len(images(path)) == 20, path


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"movflags": "faststart"}),
        ("a.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov", "g": "5"}),
        ("a.mkv", "ffv1", {}),
        ("a.webm", "libvpx", {}),
        ("a.avi", "mpeg4", {}),
        ("a.wmv", "wmv2", {}),
        ("a.flv", "flv", {}),
        ("a.ts", "mpeg2video", {}),
        ("a.mxf", "mpeg2video", {}),
    ],
)
def test_a_file_cut_short_is_found_in_every_kind(tmp_path, name, codec, options):
    movflags = {"movflags": options.pop("movflags")} if "movflags" in options else {}
    path = tmp_path / name
    noise = np.random.default_rng(0).integers(0, 256, (20, 144, 176, 3), dtype=np.uint8)
    with av.open(str(path), "w", options=movflags) as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 176, 144, "yuv420p"
        for pixels in noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())
    assert len(images(path)) == 20
    announced = announced_size(path)
    assert announced is None or announced <= path.stat().st_size
    data = path.read_bytes()
    path.write_bytes(data[: 7 * len(data) // 10 // 188 * 188 + 50])
    with pytest.raises(BrokenVideo, match="is broken after"):
        images(path)


def test_an_edit_list_counts(tmp_path):
    """As a phone's gallery trims: the file keeps 60 frames and shows 20."""
    path = write(tmp_path / "a.mp4", frames=60, g="12", bf="2")
    assert VideoFile(path).length == 60
    data = bytearray(path.read_bytes())
    edit, media, movie, track = (data.find(kind) for kind in (b"elst", b"mdhd", b"mvhd", b"tkhd"))
    (media_scale,) = struct.unpack(">I", data[media + 16 : media + 20])
    (movie_scale,) = struct.unpack(">I", data[movie + 16 : movie + 20])
    _, start = struct.unpack(">Ii", data[edit + 12 : edit + 20])
    data[edit + 12 : edit + 20] = struct.pack(">Ii", 2 * movie_scale, start + 2 * media_scale)
    data[movie + 20 : movie + 24] = data[track + 24 : track + 28] = struct.pack(">I", 2 * movie_scale)
    path.write_bytes(data)
    assert VideoFile(path).length in (20, None)
    frames = list(VideoFile(path).read())
    np.testing.assert_allclose([frame.timestamp for frame in frames], np.arange(20) / 10, atol=1e-3)


def test_time_stamps_of_a_variable_rate_and_before_zero(tmp_path):
    times = [-0.05, 0, 0.1, 0.15, 1.0, 1.05, 3.0]
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container:
        stream = container.add_stream("ffv1", rate=20)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time in times:
            frame = av.VideoFrame.from_ndarray(picture(), "rgb24")
            frame.pts, frame.time_base = round(1000 * time), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    found = np.array([frame.timestamp for frame in VideoFile(path).read()])
    np.testing.assert_allclose(np.diff(found), np.diff(times), atol=2e-3)


def test_interlaced_video_is_said(tmp_path):
    path = write(tmp_path / "a.mpg", "mpeg2video", frames=4, flags="+ildct+ilme")
    assert any("interlaced" in note for note in VideoFile(path).notes)
    assert not VideoFile(write(tmp_path / "b.mpg", "mpeg2video", frames=4)).notes


@pytest.mark.parametrize(
    ("name", "codec", "kind"),
    [
        *(("a.3gp", "mpeg4", None), ("a.m2ts", "libx264", "mpegts"), ("a.mts", "libx264", "mpegts")),
        *(("a.ts", "libx264", None), ("a.mpg", "mpeg1video", None), ("a.wmv", "wmv2", None), ("a.flv", "flv", None)),
        *(("a.mxf", "mpeg2video", None), ("a.ogv", "libvpx", None), ("a.MJPEG", "mjpeg", "mjpeg")),
        *(("a.vob", "mpeg2video", "mpeg"), ("a.m4v", "libx264", "mp4"), ("a.webm", "libvpx-vp9", None)),
    ],
)
def test_containers(tmp_path, name, codec, kind):
    path = write(tmp_path / name, codec, size=(176, 144), kind=kind)
    frames = list(open_source(path, policy=CropToPatches(64)))
    assert len(frames) == 20
    assert (np.diff([frame.timestamp for frame in frames]) > 0).all()


def test_a_codec_without_decoder_is_named(tmp_path):
    path = write(tmp_path / "a.mp4", frames=3)
    data = bytearray(path.read_bytes())
    place = data.find(b"avc1", data.find(b"stsd"))
    data[place : place + 4] = b"zzzz"
    path.write_bytes(data)
    level = av.logging.get_level()
    with pytest.raises(BrokenVideo, match="coded as zzzz, which the installed PyAV cannot decode; convert"):
        open_source(path, policy=CropToPatches(64))
    assert av.logging.get_level() == level
