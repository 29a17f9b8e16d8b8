"""Every fused or shortened part of the network against its plain form, values and gradients, at odd sizes."""

from dataclasses import replace

import golden
import numpy as np
import pytest
import torch
from torch.nn import functional

from ttt3r.network import CUT3R, CUT3RConfig, DPTConfig, LinearConfig, RayForm
from ttt3r.network.attention import LowRank, attend
from ttt3r.network.blocks import DecoderBlock, ModulatedNorm, WriteBlock
from ttt3r.network.dpt import PatchMLP
from ttt3r.network.heads import color_activation, point_activation, pose_activation
from ttt3r.network.rope import Grid, RotaryTable, rotary_table, rotate
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout, rollout_rules
from ttt3r.types import AttentionBias, AttentionLayer, Frame, Outputs, Stream
from ttt3r.update_rules import TTT3R, FullOverwrite


def plain_rotation(x, positions, base):
    """One channel pair at a time, as the definition says."""
    out, half = x.clone(), x.shape[-1] // 2
    for token, position in enumerate(positions):
        for plane in (0, 1):
            for j in range(half // 2):
                a, b = plane * half + j, plane * half + j + half // 2
                angle = position[plane] * base ** (-2 * j / half)
                cos, sin = np.cos(angle), np.sin(angle)
                out[..., token, a] = x[..., token, a] * cos - x[..., token, b] * sin
                out[..., token, b] = x[..., token, b] * cos + x[..., token, a] * sin
    return out


@pytest.mark.parametrize("dim", [4, 12, 16])
def test_rotary_embedding_is_what_the_definition_says(dim):
    grid = Grid.of_patches((3, 5), lead=True)
    positions = [(-1, -1), *((r, c) for r in range(3) for c in range(5))]
    x = torch.randn(2, 3, 16, dim)
    table = rotary_table(grid, dim, 100.0, x.device)
    torch.testing.assert_close(rotate(x, table), plain_rotation(x, positions, 100.0), atol=2e-6, rtol=1e-5)


def test_rotary_tables_made_in_inference_mode_serve_in_training():
    with torch.inference_mode():
        table = rotary_table(Grid(7, 3), 8, 37.0, torch.device("cpu"))
    x = torch.randn(1, 1, 7, 8, requires_grad=True)
    rotate(x, table).sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize(("tokens", "columns"), [(768, 28), (30, 6), (16, 4), (1, 2), (9, 4)])
def test_state_tokens_lie_on_an_even_grid(tokens, columns):
    assert Grid.of_state(tokens).columns == columns


@pytest.mark.shared
def test_rotary_embedding_equals_the_recorded_kernel(shared):
    recorded = np.load(shared / "golden/helpers/rope2d.npz")
    for name in {field.rsplit("_", 1)[0] for field in recorded.files if field.endswith("_tokens")}:
        tokens, positions = torch.from_numpy(recorded[f"{name}_tokens"]), recorded[f"{name}_pos"][0]
        quarter = tokens.shape[-1] // 4
        base = float(recorded[f"{name}_freq"])
        frequency = base ** (-torch.arange(quarter) / quarter)
        angle = torch.from_numpy(positions).float()[..., None] * frequency
        out = rotate(tokens, RotaryTable.of(angle))
        torch.testing.assert_close(out, torch.from_numpy(recorded[f"{name}_out"]), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("rank", [0, 1, 2, 9])
@pytest.mark.parametrize(("queries", "keys", "dim"), [(5, 7, 12), (1, 3, 48), (13, 1, 8)])
def test_fused_attention_with_a_low_rank_bias_equals_the_plain_form(rank, queries, keys, dim):
    def leaf(*shape):
        return torch.randn(*shape, dtype=torch.float64, requires_grad=True)

    q, k, v = leaf(2, 3, queries, dim), leaf(2, 3, keys, dim), leaf(2, 3, keys, dim)
    a, b = leaf(2, queries, max(rank, 1)), leaf(2, keys, max(rank, 1))
    bias = LowRank(a, b) if rank else None
    fused = attend(AttentionLayer(q, k), v, bias)
    logits = q @ k.transpose(-1, -2) + ((a @ b.transpose(-1, -2))[:, None] if rank else 0)
    plain = (logits.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)
    torch.testing.assert_close(fused, plain)
    leaves = (q, k, v, a, b) if rank else (q, k, v)
    weight = torch.randn_like(plain)
    for ours, theirs in zip(
        torch.autograd.grad((fused * weight).sum(), leaves),
        torch.autograd.grad((plain * weight).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def test_a_write_block_is_a_decoder_block_that_reads_one_token():
    torch.manual_seed(1)
    write, full = WriteBlock(24, 3, 4), DecoderBlock(24, 3, 4)
    shared = {name: value for name, value in write.state_dict().items() if name in full.state_dict()}
    attention = {
        f"cross_attention.{n}.{p}": write.state_dict()[f"{n}.{p}"]
        for n in ("value", "proj")
        for p in ("weight", "bias")
    }
    full.load_state_dict(shared | attention, strict=False)  # queries, keys and a norm stay as they are: they do nothing
    x, y = torch.randn(2, 7, 24), torch.randn(2, 1, 24)
    torch.testing.assert_close(write(x, y), full(x, y, None).tokens)


def test_a_modulated_norm_is_scaled_and_shifted_by_z():
    norm = ModulatedNorm(8)
    x, z = torch.randn(2, 5, 8), torch.randn(2, 8)
    shift, scale = norm.modulation(functional.silu(z)).split(8, dim=-1)
    torch.testing.assert_close(norm(x, z), norm.norm(x) * (1 + scale[:, None]) + shift[:, None])


@pytest.mark.shared
def test_activations_equal_the_recorded_ones(shared):
    recorded = np.load(shared / "golden/helpers/postprocess.npz")
    raw = torch.from_numpy(recorded["raw"])
    points = point_activation(raw[:, :3].permute(0, 2, 3, 1))
    assert golden.error(points, torch.from_numpy(recorded["pts_exp_0"])) < 1e-6
    assert golden.error(1 + raw[:, 3].exp(), torch.from_numpy(recorded["conf_exp_0"])) < 1e-6
    assert golden.error(color_activation(raw[:, :3]), torch.from_numpy(recorded["rgb"])) < 1e-6
    poses = np.load(shared / "golden/helpers/pose_encoding.npz")
    encoded = pose_activation(torch.from_numpy(poses["raw"]))
    assert golden.error(encoded, torch.from_numpy(poses["post_exp"])) < 1e-6


def test_activations_at_their_limits():
    assert torch.equal(point_activation(torch.zeros(1, 3)), torch.zeros(1, 3))
    encoded = pose_activation(torch.tensor([[0.0, 0.0, 2.0, -2.0, 0.0, 0.0, 0.0]]))
    torch.testing.assert_close(encoded, torch.tensor([[0.0, 0.0, np.expm1(2.0), 1.0, 0.0, 0.0, 0.0]]).float())


LINEAR = replace(CUT3RConfig.tiny(), head=LinearConfig())


def test_linear_heads_against_a_plain_twin():
    """No recorded run has linear heads: shapes, and every pixel by hand."""
    network = CUT3R.random(LINEAR, seed=2)
    memory = network.initial_memory(1)
    frame = Frame(torch.rand(1, 3, 32, 48) * 2 - 1)
    with torch.no_grad():
        features = network.propose(network.encode(frame), memory).features
        out = network.readout(features)
        assert len(features.levels) == 1
        assert out.points_camera.shape == out.points_world.shape == (1, 32, 48, 3)
        assert out.color.shape == (1, 32, 48, 3)
        dense = network.heads.points_camera
        assert isinstance(dense, PatchMLP)
        head = dense.mlp
        token = features.levels[0][0, 1 * 3 + 2]  # patch in row 1, column 2
        values = head.fc2(functional.gelu(head.fc1(token))).reshape(4, 16, 16)
        xyz = values[:3, 5, 7] * values[2, 5, 7].sign()
        expected = xyz / xyz.norm() * torch.expm1(xyz.norm())
        pixel = out.points_camera[0, 16 + 5, 32 + 7]
        torch.testing.assert_close(pixel, expected, atol=1e-5, rtol=1e-5)
        assert (out.points_camera[..., 2] >= 0).all()
        torch.testing.assert_close(out.confidence_camera[0, 16 + 5, 32 + 7], 1 + values[3, 5, 7].exp())


def test_an_attention_bias_acts_on_its_own_rule_only():
    class Blind(FullOverwrite):
        """Hides all patches from the state, in every layer."""

        def attend(self, rule_state, tokens, memory):
            batch, patches, _ = tokens.patches.shape
            key = torch.cat([torch.zeros(batch, 1), torch.full((batch, patches), -1e4)], dim=1)
            query = torch.ones(batch, memory.state.shape[1])
            return (AttentionBias(Stream.STATE_FROM_IMAGE, (0, 4), query, key),)

    network = CUT3R.random(CUT3RConfig.tiny(), seed=1)
    frames = list(torch.rand(3, 1, 3, 32, 48) * 2 - 1)
    both = list(rollout_rules(network, {"blind": Blind(), "ttt3r": TTT3R()}, frames))
    for name, rule in (("blind", Blind()), ("ttt3r", TTT3R())):
        alone = list(rollout(Reconstructor(network, rule), frames))
        for joint, single in zip(both, alone, strict=True):
            torch.testing.assert_close(joint[name].memory.state, single.memory.state, atol=2e-5, rtol=2e-5)
    assert float((both[0]["blind"].memory.state - both[0]["ttt3r"].memory.state).abs().max()) > 1e-3


def test_settings_survive_json_and_bad_ones_are_named():
    for config in (CUT3RConfig.official_512(), CUT3RConfig.official_224(), CUT3RConfig.tiny(), LINEAR):
        assert CUT3RConfig.from_json(config.to_json()) == config
    direction = replace(CUT3RConfig.tiny(), ray_form=RayForm.DIRECTION, head=DPTConfig(8, 4, (1, 2, 3, 4)))
    assert CUT3RConfig.from_json(direction.to_json()) == direction
    for text in ("{}", "[]", "no", CUT3RConfig.tiny().to_json().replace("DPTConfig", "Other")):
        with pytest.raises(ValueError, match="not the settings"):
            CUT3RConfig.from_json(text)
    with pytest.raises(ValueError, match="width 50 over 4 heads"):
        replace(CUT3RConfig.tiny(), width=50)
    with pytest.raises(ValueError, match="multiple of 4"):
        replace(CUT3RConfig.tiny(), depth=6)


def test_a_random_network_is_the_same_for_the_same_seed_and_leaves_the_generator_alone():
    before = torch.get_rng_state()
    a, b, c = (CUT3R.random(CUT3RConfig.tiny(), seed=s) for s in (4, 4, 5))
    assert torch.equal(torch.get_rng_state(), before)
    weights = [network.decoder.embed.weight for network in (a, b, c)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near_full(dtype):
    network = CUT3R.random(CUT3RConfig.tiny(), seed=1)
    frames = list(torch.rand(3, 1, 3, 32, 48) * 2 - 1)
    full = list(rollout(Reconstructor(network, TTT3R()), frames, outputs=Outputs.CAMERA))
    with torch.autocast("cpu", dtype):
        half = list(rollout(Reconstructor(network, TTT3R()), frames, outputs=Outputs.CAMERA))
    difference = (half[-1].memory.state.float() - full[-1].memory.state).abs().max()
    assert float(difference) < 0.2
