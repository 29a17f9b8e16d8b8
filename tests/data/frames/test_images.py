"""Opening, resizing and scaling images: recorded results of the reference, closed forms, damaged files."""

import contextlib
import hashlib
import io
import json
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from ttt3r.data import BrokenImage, CropToPatches, StretchToPatches, open_image, to_image, to_tensor

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow about damaged files


def noise(width, height, channels=3):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.shared
def test_policies_give_the_recorded_images_bit_for_bit(shared):
    folder = shared / "golden" / "helpers"
    recorded = np.load(folder / "load_images.npz")
    seen = 0
    for entry in json.loads((folder / "index.json").read_text())["load_images"]:
        policy = {
            "load_images": CropToPatches(entry["size"]),
            "load_images_square_ok": CropToPatches(entry["size"], square_ok=True),
            "load_images_for_eval_nocrop": StretchToPatches(entry["size"]),
        }[entry["fn"]]
        image = open_image(folder / entry["file"])
        if "error" in entry or 0 in entry["shape"]:
            continue  # where the reference fails; see below
        prepared = policy(image)
        tensor = to_tensor(prepared)
        np.testing.assert_array_equal(np.asarray(prepared), recorded[entry["npz_key"]], err_msg=str(entry))
        assert hashlib.sha256(tensor.numpy().tobytes()).hexdigest() == entry["sha256_f32"], entry
        seen += 1
    assert seen >= 45


@pytest.mark.shared
def test_policies_give_the_recorded_sizes_of_real_cameras(shared):
    expected = json.loads((shared / "golden_eval" / "preprocess_expected.json").read_text())
    for case in expected["cases"]:
        if "exception" in case:
            continue
        y, x, c = np.ogrid[: case["H"], : case["W"], :3]
        pixels = ((3 * x + 5 * y + 40 * c + 11 * expected["k"]) + (x * y) // 64) % 256
        policy = CropToPatches(case["size"]) if case["crop"] else StretchToPatches(case["size"])
        prepared = np.asarray(policy(Image.fromarray(pixels.astype(np.uint8))))
        assert hashlib.sha256(prepared.tobytes()).hexdigest() == case["sha256_uint8_hwc"], case


@pytest.mark.shared
def test_small_sizes_follow_the_rule_of_512(shared):
    from safetensors.numpy import load_file

    images = load_file(shared / "golden" / "tiny" / "inputs.safetensors")["images_land_64x48"]
    for index, expected in enumerate(images):
        prepared = CropToPatches(64)(open_image(shared / "golden" / "tiny" / "pipeline_png" / f"{index:06d}.png"))
        np.testing.assert_array_equal(np.asarray(prepared), expected)


@pytest.mark.parametrize(
    ("policy", "size", "prepared"),
    [
        (CropToPatches(512), (600, 600), (512, 384)),
        (CropToPatches(512, square_ok=True), (600, 600), (512, 512)),
        (StretchToPatches(512), (600, 600), (512, 512)),
        (CropToPatches(224), (640, 480), (224, 224)),
        (StretchToPatches(224), (640, 480), (224, 224)),
        (CropToPatches(80), (300, 300), (80, 48)),
        (CropToPatches(100), (300, 200), (96, 64)),
    ],
)
def test_prepared_sizes(policy, size, prepared):
    assert policy(Image.new("RGB", size)).size == prepared
    assert policy.plan(*size).prepared == prepared


@pytest.mark.parametrize("policy", [CropToPatches(), StretchToPatches()])
def test_too_flat_an_image_is_refused_with_its_size(policy):
    with pytest.raises(ValueError, match=r"1000x20 pixels.*size=512.*cut it nearer"):
        policy(Image.new("RGB", (1000, 20)))


def test_a_size_below_one_patch_is_refused():
    with pytest.raises(ValueError, match="size=8"):
        CropToPatches(8)


POLICIES = [CropToPatches(512), CropToPatches(224), StretchToPatches(512), StretchToPatches(224), CropToPatches(96)]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("size", [(640, 480), (1242, 375), (300, 517), (400, 400)])
def test_intrinsics_follow_the_picture(policy, size):
    """A soft blob is painted where K projects a point; in the prepared image it must lie where K' projects it."""
    K = np.array([[0.8 * size[0], 0, 0.5 * size[0]], [0, 0.9 * size[0], 0.47 * size[1]], [0, 0, 1]])
    prepared_K = policy.intrinsics(K, size)
    for target in ([0.45, 0.5], [0.55, 0.44]):
        u, v = np.multiply(target, size)
        point = np.linalg.inv(K) @ [u, v, 1]
        y, x = np.mgrid[: size[1], : size[0]]
        blob = 250 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * (0.02 * size[0]) ** 2))
        image = policy(Image.fromarray(np.repeat(blob[..., None], 3, axis=2).round().astype(np.uint8)))
        grey = np.asarray(image)[..., 0].astype(float)
        y, x = np.mgrid[: image.height, : image.width]
        found = np.array([(grey * x).sum(), (grey * y).sum()]) / grey.sum()
        expected = prepared_K @ point
        np.testing.assert_allclose(found, expected[:2] / expected[2], atol=0.08)


def test_intrinsics_in_closed_form():
    K = np.array([[600.0, 0, 319.5], [0, 600, 239.5], [0, 0, 1]])
    half = CropToPatches(320).intrinsics(K, (640, 480))
    np.testing.assert_allclose(half, [[300, 0, 159.5], [0, 300, 119.5], [0, 0, 1]])
    cropped = CropToPatches(224).intrinsics(K, (640, 480))  # 299 x 224, of which 224 columns from 149 - 112 = 37 on
    s = 299 / 640
    np.testing.assert_allclose(cropped[0], [600 * s, 0, 320 * s - 0.5 - 37])


def test_tensor_and_image_are_inverse_for_every_colour():
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = Image.fromarray(np.stack([pixels, 255 - pixels, pixels.T], axis=-1))
    tensor = to_tensor(image)
    assert tensor.shape == (1, 3, 16, 16)
    assert tensor.dtype == torch.float32
    assert tensor.min() == -1
    assert tensor.max() == 1
    np.testing.assert_array_equal(np.asarray(to_image(tensor)), np.asarray(image))
    np.testing.assert_array_equal(np.asarray(to_image(torch.full((1, 3, 2, 2), 1.7))), 255)


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path):
    grey = np.linspace(0, 65535, 64 * 32).astype(np.uint16).reshape(32, 64)
    for name in ("grey.png", "grey.tif"):
        Image.fromarray(grey).save(tmp_path / name)
        opened = np.asarray(open_image(tmp_path / name))
        assert opened.shape == (32, 64, 3)
        np.testing.assert_allclose(opened[..., 1], grey / 65535 * 255, atol=0.5 + 1e-9)


def test_alpha_is_dropped_not_blended(tmp_path):
    pixels = noise(20, 10, 4)
    Image.fromarray(pixels).save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "rgba.png")), pixels[..., :3])
    Image.fromarray(pixels[..., :2], mode="LA").save(tmp_path / "la.png")
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "la.png"))[..., 2], pixels[..., 0])


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "RGB"])
def test_every_mode_becomes_colour(tmp_path, mode):
    path = tmp_path / ("x.jpg" if mode == "CMYK" else "x.png")
    Image.fromarray(noise(20, 10)).convert(mode).save(path)
    opened = open_image(path)
    assert opened.mode == "RGB"
    assert opened.size == (20, 10)


@pytest.mark.parametrize(("tag", "turn"), [(3, 2), (6, -1), (8, 1)])
def test_exif_rotation_is_applied(tmp_path, tag, turn):
    pixels = noise(20, 12)
    exif = Image.Exif()
    exif[274] = tag
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "turned.png")), np.rot90(pixels, turn))


def encoded(kind, size=(64, 48)):
    buffer = io.BytesIO()
    Image.fromarray(noise(*size)).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_damaged_files_are_named_with_the_cure(tmp_path, kind):
    """Files cut anywhere never give a picture, nor any other kind of error."""
    data = encoded(kind)
    path = tmp_path / f"damaged.{kind.lower()}"
    for length in (0, 3, 20, len(data) // 3, len(data) // 2):
        path.write_bytes(data[:length])
        with pytest.raises(BrokenImage, match=r"damaged\..*(repair or remove|copy it again)"):
            open_image(path)


def test_flipped_bytes_give_a_picture_or_a_broken_image(tmp_path):
    random = np.random.default_rng(1)
    for kind in ("PNG", "JPEG", "TIFF", "WEBP"):
        data = np.frombuffer(encoded(kind), np.uint8)
        for _ in range(40):
            damaged = data.copy()
            damaged[random.integers(0, min(len(data), 400), 4)] = random.integers(0, 256, 4)
            path = tmp_path / "flipped.img"
            path.write_bytes(damaged.tobytes())
            with contextlib.suppress(BrokenImage):
                assert open_image(path).mode == "RGB"


def test_a_picture_that_claims_an_absurd_size_is_refused(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    (tmp_path / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))
    )
    with pytest.raises(BrokenImage, match=r"bomb\.png"):
        open_image(tmp_path / "bomb.png")


def test_other_refusals(tmp_path):
    (tmp_path / "notes.png").write_text("not an image at all")
    with pytest.raises(BrokenImage, match="no image format that is known"):
        open_image(tmp_path / "notes.png")
    (tmp_path / "phone.HEIC").write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(100))
    with pytest.raises(BrokenImage, match="convert it to JPEG"):
        open_image(tmp_path / "phone.HEIC")
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(BrokenImage, match="floating-point"):
        open_image(tmp_path / "float.tif")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.png"):
        open_image(tmp_path / "nowhere.png")
