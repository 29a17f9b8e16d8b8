"""Images that move, and images of unusual kinds."""

import numpy as np
import pytest
from PIL import Image, features

from ttt3r.data import BrokenImage, BrokenVideo, CropToPatches, open_image, open_source, to_image
from ttt3r.data.frames.images import image_size

POLICY = CropToPatches(64)
TIMES = [0, 0.1, 0.2, 0.4, 0.5, 0.8]


def write(path, count=6):
    pictures = [Image.new("RGB", (64, 48), (40 * i, 50, 200)) for i in range(count)]
    options = {"lossless": True} if path.suffix == ".webp" else {}
    kind = {".apng": "PNG"}.get(path.suffix)
    durations = [100, 100, 200, 100, 300, 100][:count]
    pictures[0].save(path, kind, save_all=True, append_images=pictures[1:], duration=durations, **options)
    return path


@pytest.mark.parametrize("suffix", [".gif", ".apng", ".webp", ".avif", ".png"])
def test_an_image_that_moves_is_a_sequence(tmp_path, suffix):
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    source = open_source(write(tmp_path / f"a{suffix}"), policy=POLICY)
    frames = list(source)
    assert len(source) == len(frames) == 6
    np.testing.assert_allclose([frame.timestamp for frame in frames], TIMES, atol=1e-6)
    reds = [np.asarray(to_image(frame.image))[8, 8, 0] for frame in frames]
    np.testing.assert_allclose(reds, np.arange(6) * 40, atol=4)


@pytest.mark.parametrize("suffix", [".webp", ".avif", ".png"])
def test_an_image_that_does_not_move_is_one_image(tmp_path, suffix):
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    Image.new("RGB", (64, 48)).save(tmp_path / f"a{suffix}")
    for path in (tmp_path / f"a{suffix}", tmp_path):
        (frame,) = open_source(path, policy=POLICY)
        assert frame.name == f"a{suffix}"


@pytest.mark.parametrize("suffix", [".gif", ".apng"])
def test_an_animation_cut_short_gives_what_it_has(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    seen = []
    with pytest.raises(BrokenVideo, match=r"broken after \d pictures"):
        seen.extend(open_source(path, policy=POLICY))
    assert 0 < len(seen) < 6
    source = open_source(path, policy=POLICY, skip_broken=True)
    assert len(list(source)) == len(seen)
    assert source.skipped[0][0] == path.name


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations(tmp_path, suffix, orientation):
    """Where row 0 and column 0 lie, by the table of the EXIF standard."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:24, :32], pixels[:24, 32:], pixels[24:, :32] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path, exif=exif)
    turned = {
        **{1: pixels, 2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1]},
        **{
            5: pixels.swapaxes(0, 1),
            6: np.rot90(pixels, -1),
            7: np.rot90(pixels, 2).swapaxes(0, 1),
            8: np.rot90(pixels),
        },
    }[orientation]
    found = np.asarray(open_image(path)).astype(float)
    assert found.shape == turned.shape
    assert np.abs(found - turned).mean() < 6
    assert image_size(path) == (turned.shape[1], turned.shape[0])


def test_kinds_of_pixels(tmp_path):
    rgb = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))
    grey = np.asarray(rgb.convert("L"))
    rgb.convert("CMYK").save(tmp_path / "cmyk.tif")
    rgb.convert("RGBA").save(tmp_path / "alpha.PNG", "PNG")
    rgb.convert("LA").save(tmp_path / "grey_alpha.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    rgb.save(tmp_path / "pages.tiff", save_all=True, append_images=[rgb.convert("L")])
    rgb.quantize(256).save(tmp_path / "palette.png")
    for name, expected, tolerance in (
        *(("cmyk.tif", np.asarray(rgb), 1), ("alpha.PNG", np.asarray(rgb), 0), ("pages.tiff", np.asarray(rgb), 0)),
        *(("grey_alpha.png", grey[..., None], 0), ("deep.png", grey[..., None], 0)),
        ("palette.png", np.asarray(rgb.quantize(256).convert("RGB")), 0),
    ):
        assert np.abs(np.asarray(open_image(tmp_path / name)).astype(int) - expected).max() <= tolerance, name


def shots(folder):
    """Four good images with everything between them that cannot be used."""
    good = Image.new("RGB", (64, 48), (200, 10, 10))
    Image.new("RGB", (1, 20000)).save(folder / "0_narrow.png")
    Image.new("RGB", (48, 64)).save(folder / "1_upright.png")
    for number in range(2, 6):
        good.save(folder / f"{number}.JPG", "JPEG")
    (folder / "6_empty.png").write_bytes(b"")
    (folder / "7_cut.jpg").write_bytes((folder / "2.JPG").read_bytes()[:300])
    (folder / "8_text.png").write_text("no image")
    (folder / "9_link.png").symlink_to("nowhere.png")
    good.save(folder / "A_png_by_another_name.jpg", "PNG")
    return ["0_narrow.png", "1_upright.png", "6_empty.png", "7_cut.jpg", "8_text.png", "9_link.png"]


def test_skip_broken_leaves_out_whatever_cannot_be_used_and_names_it(tmp_path):
    bad = shots(tmp_path)
    source = open_source(tmp_path, policy=POLICY, skip_broken=True)
    assert [frame.name for frame in source] == ["2.JPG", "3.JPG", "4.JPG", "5.JPG", "A_png_by_another_name.jpg"]
    assert sorted(name for name, _ in source.skipped) == bad
    assert [frame.name for frame in source] == ["2.JPG", "3.JPG", "4.JPG", "5.JPG", "A_png_by_another_name.jpg"]


def test_without_it_each_is_named_with_the_cure(tmp_path):
    for name in shots(tmp_path):
        with pytest.raises(ValueError, match=f"{name}.*--skip-broken"):
            list(open_source([tmp_path / "2.JPG", tmp_path / name], policy=POLICY))


def test_a_link_to_nothing_is_named(tmp_path):
    (tmp_path / "a.png").symlink_to("gone.png")
    with pytest.raises(BrokenImage, match=r"a\.png is a link to gone\.png, which is not there"):
        open_image(tmp_path / "a.png")
    (tmp_path / "a.mp4").symlink_to("gone.mp4")
    with pytest.raises(FileNotFoundError, match=r"a\.mp4 is a link to gone\.mp4, which is not there"):
        open_source(tmp_path / "a.mp4", policy=POLICY)
