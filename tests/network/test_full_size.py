"""The full-size network, random weights in the official layout, over frames of a real video. Opt in: `pytest -m slow`."""

import argparse

import pytest
import torch

from ttt3r.data import CropToPatches, Sampling, open_source
from ttt3r.network import CUT3R, CheckpointWarning, CUT3RConfig, load_network
from ttt3r.network.official import official_name, official_shapes
from ttt3r.reconstructor import Reconstructor
from ttt3r.rollout import rollout
from ttt3r.update_rules import TTT3R

ARCHITECTURE = (
    "ARCroco3DStereo(ARCroco3DStereoConfig(freeze='encoder', state_size=768, state_pe='2d', pos_embed='RoPE100', "
    "rgb_head=True, pose_head=True, patch_embed_cls='ManyAR_PatchEmbed', img_size=(512, 512), head_type='dpt', "
    "output_mode='pts3d+pose', depth_mode=('exp', -inf, inf), conf_mode=('exp', 1, inf), pose_mode=('exp', -inf, inf), "
    "enc_embed_dim=1024, enc_depth=24, enc_num_heads=16, dec_embed_dim=768, dec_depth=12, dec_num_heads=12, "
    "landscape_only=False))"
)


@pytest.mark.slow
@pytest.mark.shared
def test_a_full_size_checkpoint_loads_and_runs_on_a_real_video(shared, tmp_path):
    config = CUT3RConfig.official_512()
    with torch.device("meta"):
        ours = {name: tuple(tensor.shape) for name, tensor in CUT3R(config).state_dict().items()}
    shapes = official_shapes(ours, config)
    state = {name: 0.02 * torch.randn(shape) for name, shape in shapes.items()}
    assert len(state) == 1248
    torch.save({"args": argparse.Namespace(model=ARCHITECTURE), "model": state}, tmp_path / "full.pth")
    probe = official_name("decoder.state_blocks.11.mlp.fc2.weight", config)
    expected = state[probe].clone()
    del state
    with pytest.warns(CheckpointWarning, match="cannot influence"):
        network = load_network(tmp_path / "full.pth")
    assert network.config == config
    assert torch.equal(network.state_dict()["decoder.state_blocks.11.mlp.fc2.weight"], expected)
    video = shared / "data/video/lady-running.mp4"
    source = open_source(video, policy=CropToPatches(512), sampling=Sampling(stride=10, stop=30))
    steps = list(rollout(Reconstructor(network, TTT3R()), (frame.image for frame in source)))
    assert len(steps) == 3
    assert steps[2].reconstruction.points_world.shape == (1, 288, 512, 3)
    assert steps[2].memory.state.shape == (1, 768, 768)
    assert 0 < float(steps[2].gain.mean()) < 1
