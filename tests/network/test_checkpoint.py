"""Reading checkpoints: official layout, both kinds of arguments, and everything that must be refused."""

import argparse
import io
import os
import pickle
import zipfile
from dataclasses import replace

import golden
import pytest
import torch

from ttt3r.network import (
    CUT3R,
    CheckpointError,
    CheckpointWarning,
    CUT3RConfig,
    LinearConfig,
    load_network,
    save_network,
)
from ttt3r.network.official import official_name, official_shapes, read_architecture

TINY = (
    "ARCroco3DStereo(ARCroco3DStereoConfig(state_size=30, state_pe='2d', pos_embed='RoPE100', rgb_head=True, "
    "pose_head=True, patch_embed_cls='ManyAR_PatchEmbed', img_size=(64, 64), head_type='dpt', output_mode='pts3d+pose', "
    "depth_mode=('exp', -inf, inf), conf_mode=('exp', 1, inf), pose_mode=('exp', -inf, inf), enc_embed_dim=64, "
    "enc_depth=2, enc_num_heads=4, dec_embed_dim=48, dec_depth=4, dec_num_heads=4, state_dec_num_heads=2, "
    "local_mem_size=8, ray_enc_depth=2, landscape_only=False))"
)


@pytest.fixture(scope="module")
def tiny():
    return CUT3R.random(CUT3RConfig.tiny(), seed=3)


def official_state(network):
    """The network's weights in the official layout, dead weights filled with noise, second names included."""
    config = network.config
    ours = network.state_dict()
    state = {official_name(name, config): tensor for name, tensor in ours.items()}
    shapes = official_shapes({name: tuple(tensor.shape) for name, tensor in ours.items()}, config)
    return {name: state.get(name, torch.randn(shape)) for name, shape in shapes.items()}


def write(path, network, args=None, **changes):
    state = official_state(network) | changes
    torch.save({"args": args or argparse.Namespace(model=TINY), "model": state, "epoch": 1}, path)
    return path


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_official_layout_comes_back_weight_by_weight(tiny, tmp_path):
    with pytest.warns(CheckpointWarning, match="cannot influence"):
        loaded = load_network(write(tmp_path / "a.pth", tiny))
    assert same(loaded, tiny)
    assert loaded.config == CUT3RConfig.tiny()
    assert not loaded.training


def test_converted_folder_comes_back(tiny, tmp_path):
    save_network(tiny, tmp_path / "folder")
    loaded = load_network(tmp_path / "folder")
    assert same(loaded, tiny)
    assert loaded.config == tiny.config


def test_linear_heads_round_trip(tmp_path):
    config = replace(CUT3RConfig.tiny(), head=LinearConfig())
    network = CUT3R.random(config)
    text = TINY.replace("'dpt'", "'linear'")
    torch.save({"args": argparse.Namespace(model=text), "model": official_state(network)}, tmp_path / "l.pth")
    with pytest.warns(CheckpointWarning):
        assert same(load_network(tmp_path / "l.pth"), network)
    save_network(network, tmp_path / "l")
    assert same(load_network(tmp_path / "l"), network)


def test_omegaconf_arguments_are_read_without_that_library(tiny, tmp_path):
    omegaconf = pytest.importorskip("omegaconf")
    args = omegaconf.OmegaConf.create({"model": TINY, "lr": 1e-4, "sets": ["a", {"b": None}], "out": "${lr}"})
    path = write(tmp_path / "o.pth", tiny, args=args)
    with pytest.warns(CheckpointWarning):
        assert same(load_network(path), tiny)


def test_data_parallel_prefix_and_missing_state_decoder(tiny, tmp_path):
    state = {f"module.{n}": t for n, t in official_state(tiny).items() if not n.startswith("dec_blocks_state.")}
    torch.save({"args": argparse.Namespace(model=TINY), "model": state}, tmp_path / "p.pth")
    with pytest.warns(CheckpointWarning):
        loaded = load_network(tmp_path / "p.pth")
    ours = loaded.state_dict()
    assert torch.equal(
        ours["decoder.state_blocks.1.mlp.fc1.weight"], tiny.state_dict()["decoder.image_blocks.1.mlp.fc1.weight"]
    )


def test_missing_and_misshaped_weights_are_refused_by_name(tiny, tmp_path):
    state = official_state(tiny)
    state.pop("dec_norm.weight")
    torch.save({"args": argparse.Namespace(model=TINY), "model": state}, tmp_path / "m.pth")
    with pytest.raises(CheckpointError, match=r"misses 1 weights.*dec_norm\.weight"):
        load_network(tmp_path / "m.pth")
    with pytest.raises(CheckpointError, match=r"enc_norm\.bias is \(3,\), expected \(64,\)"):
        load_network(write(tmp_path / "s.pth", tiny, **{"enc_norm.bias": torch.zeros(3)}))


def test_unexpected_weights_are_named(tiny, tmp_path):
    path = write(tmp_path / "u.pth", tiny, **{"downstream_head.novel.weight": torch.zeros(2)})
    with pytest.warns(CheckpointWarning, match=r"1 unexpected.*novel\.weight"):
        load_network(path)


class Bomb:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (self.target,)


def test_code_in_a_checkpoint_is_refused_and_not_run(tiny, tmp_path):
    target = str(tmp_path / "exploded")
    torch.save({"args": Bomb(target), "model": official_state(tiny)}, tmp_path / "bomb.pth")
    with pytest.raises(CheckpointError, match="mkdir"):
        load_network(tmp_path / "bomb.pth")
    assert not os.path.exists(target)


@pytest.mark.parametrize("name", ["eval", "exec", "getattr", "__import__"])
def test_builtins_that_run_code_are_refused(tiny, tmp_path, name):
    class Caller:
        def __reduce__(self):
            return getattr(__import__("builtins"), name), ("1+1",)

    torch.save({"args": Caller(), "model": {}}, tmp_path / "b.pth")
    with pytest.raises(CheckpointError, match=name):
        load_network(tmp_path / "b.pth")


def test_code_in_the_architecture_is_refused_and_not_run(tiny, tmp_path):
    text = TINY.replace("state_size=30", f"state_size=__import__('os').mkdir({str(tmp_path / 'x')!r})")
    with pytest.raises(CheckpointError, match="only numbers, texts and tuples"):
        load_network(write(tmp_path / "c.pth", tiny, args=argparse.Namespace(model=text)))
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("text", ["", "print(1)", "Other(Config(a=1))", "ARCroco3DStereo(", "ARCroco3DStereo(" * 200])
def test_a_foreign_architecture_is_refused(text):
    with pytest.raises(ValueError, match="not of the form"):
        read_architecture(text, {})


@pytest.mark.parametrize(
    ("old", "new"), [("pts3d+pose", "pts3d"), ("RoPE100", "cosine"), ("'2d'", "'1d'"), ("'dpt'", "'x'")]
)
def test_an_unsupported_variant_is_named(old, new, tiny):
    shapes = {name: tuple(tensor.shape) for name, tensor in official_state(tiny).items()}
    with pytest.raises(ValueError, match="support"):
        read_architecture(TINY.replace(old, new), shapes)


def test_damaged_and_wrong_files(tiny, tmp_path):
    whole = write(tmp_path / "whole.pth", tiny).read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.pth").write_text("not a checkpoint")
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps({"args": 1}))
    with zipfile.ZipFile(tmp_path / "zip.pth", "w") as archive:
        archive.writestr("readme.txt", "hello")
    buffer = io.BytesIO()
    torch.save([1, 2], buffer)
    (tmp_path / "list.pth").write_bytes(buffer.getvalue())
    torch.save({"state_dict": {}}, tmp_path / "other.pth")
    for name in ("cut", "text", "empty", "pickle", "zip", "list", "other"):
        with pytest.raises(CheckpointError, match=rf"{name}\.pth"):
            load_network(tmp_path / f"{name}.pth")


def test_missing_path_names_the_cure(tmp_path):
    with pytest.raises(FileNotFoundError, match="tiny-random"):
        load_network(tmp_path / "nothing.pth")
    (tmp_path / "folder").mkdir()
    with pytest.raises(CheckpointError, match="convert"):
        load_network(tmp_path / "folder")


@pytest.mark.shared
def test_the_recorded_official_file_loads(shared):
    with pytest.warns(CheckpointWarning, match="38 weights"):
        network = load_network(shared / "golden/tiny_official_layout.pth")
    assert same(network, golden.network("tiny"))


@pytest.mark.shared
def test_full_size_names_and_shapes(shared):
    import json

    spec = json.loads((shared / "golden_eval/model/state_dict_spec.json").read_text())["keys"]
    config = CUT3RConfig.official_512()
    with torch.device("meta"):
        network = CUT3R(config)
    shapes = official_shapes({name: tuple(t.shape) for name, t in network.state_dict().items()}, config)
    assert {name: list(shape) for name, shape in shapes.items()} == spec
    assert len(shapes) == 1248
    counted_once = sum(torch.Size(s).numel() for n, s in shapes.items() if ".layer_rn." not in n)
    assert counted_once == 793_307_858


def test_two_names_of_one_tensor_become_two_weights(tmp_path):
    tied = TINY.replace("state_dec_num_heads=2", "state_dec_num_heads=4")
    network = CUT3R.random(replace(CUT3RConfig.tiny(), state_heads=4))
    state = {n: t for n, t in official_state(network).items() if not n.startswith("dec_blocks_state.")}
    torch.save({"args": argparse.Namespace(model=tied), "model": state}, tmp_path / "t.pth")
    with pytest.warns(CheckpointWarning):
        loaded = load_network(tmp_path / "t.pth")
    save_network(loaded, tmp_path / "folder")
    assert same(load_network(tmp_path / "folder"), loaded)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("enc_depth=2", "enc_depth=1000000"),
        ("state_size=30", "state_size=300000000"),
        ("enc_num_heads=4", "enc_num_heads=0"),
        ("dec_depth=4", "dec_depth=4.0"),
        ("enc_embed_dim=64", "enc_embed_dim='x'"),
        ("enc_depth=2", "patch_size=-16, enc_depth=2"),
        ("enc_depth=2", "enc_depth=" + "-" * 1200 + "2"),
    ],
)
def test_sizes_that_no_network_has_are_refused_before_anything_is_built(tiny, tmp_path, old, new):
    path = write(tmp_path / "x.pth", tiny, args=argparse.Namespace(model=TINY.replace(old, new, 1)))
    with pytest.raises(CheckpointError, match=r"x\.pth"):
        load_network(path)


@pytest.mark.parametrize(
    "weight",
    [
        torch.zeros(1).expand(30, 64),
        torch.zeros(30, 64, dtype=torch.int8),
        torch.zeros(30, 64).to_sparse(),
    ],
    ids=["a few bytes posing as many", "whole numbers", "sparse"],
)
def test_weights_that_are_no_plain_floats_are_refused(tiny, tmp_path, weight):
    path = write(tmp_path / "w.pth", tiny, **{"register_tokens.weight": weight})
    with pytest.raises(CheckpointError, match=r"register_tokens|cannot be read"):
        load_network(path)


def test_nonsense_in_a_converted_folder_is_named(tiny, tmp_path):
    save_network(tiny, tmp_path)
    text = (tmp_path / "config.json").read_text()
    for old, new in (
        ('"depth": 4', '"depth": true'),
        ('"encoder_depth": 2', '"encoder_depth": 1000000'),
        ("100.0", '"x"'),
    ):
        (tmp_path / "config.json").write_text(text.replace(old, new))
        with pytest.raises(CheckpointError, match=r"config\.json"):
            load_network(tmp_path)
