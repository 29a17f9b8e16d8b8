"""The official CUT3R checkpoint: its names of weights and its architecture string. They are used here only.

A checkpoint holds `args.model`, a constructor call as text, and a state dict. The text is parsed as a syntax tree and its
literals are read; nothing of it is ever run.
"""

import ast
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from ttt3r.network.config import CUT3RConfig, DPTConfig, LinearConfig

# Ours -> theirs, applied in this order to each name.
_RENAMES: tuple[tuple[str, str], ...] = (
    (r"^image_encoder\.embed\.", "patch_embed.proj."),
    (r"^image_encoder\.blocks\.", "enc_blocks."),
    (r"^image_encoder\.norm\.", "enc_norm."),
    (r"^ray_encoder\.embed\.", "patch_embed_ray_map.proj."),
    (r"^ray_encoder\.blocks\.", "enc_blocks_ray_map."),
    (r"^ray_encoder\.norm\.", "enc_norm_ray_map."),
    (r"^initial_state\.registers\.", "register_tokens."),
    (r"^initial_state\.embed\.", "decoder_embed_state."),
    (r"^decoder\.embed\.", "decoder_embed."),
    (r"^decoder\.pose_token$", "pose_token"),
    (r"^decoder\.image_blocks\.", "dec_blocks."),
    (r"^decoder\.state_blocks\.", "dec_blocks_state."),
    (r"^decoder\.image_norm\.", "dec_norm."),
    (r"^decoder\.state_norm\.", "dec_norm_state."),
    (r"^pose_memory\.initial$", "pose_retriever.mem"),
    (r"^pose_memory\.masked_value$", "pose_retriever.masked_token"),
    (r"^pose_memory\.query\.", "pose_retriever.proj_q."),
    (r"^pose_memory\.(write_blocks\.\d+)\.(value|proj)\.", r"pose_retriever.\1.cross_attention.\2."),
    (r"^pose_memory\.", "pose_retriever."),
    (r"^heads\.camera\.", "downstream_head.pose_head.mlp."),
    (r"^heads\.world_transform\.", "downstream_head.final_transform."),
    (r"\.modulation\.", ".mlp.1."),
    (r"\.cross_attention\.(query|key|value)\.", r".cross_attn.proj\1."),
    (r"\.projquery\.", ".projq."),
    (r"\.projkey\.", ".projk."),
    (r"\.projvalue\.", ".projv."),
    (r"\.cross_attention\.", ".cross_attn."),
    (r"\.(self_attention|attention)\.", ".attn."),
    (r"\.(norm_self|norm_attention)\.", ".norm1."),
    (r"\.norm_cross\.", ".norm2."),
    (r"\.norm_other\.", ".norm_y."),
    (r"^(dec_blocks.*|pose_retriever.*)\.norm_mlp\.", r"\1.norm3."),
    (r"\.norm_mlp\.", ".norm2."),
)
_DPT_RENAMES: tuple[tuple[str, str], ...] = (
    (r"^heads\.points_camera\.", "downstream_head.dpt_self."),
    (r"^heads\.points_world\.", "downstream_head.dpt_cross."),
    (r"^heads\.color\.", "downstream_head.dpt_rgb."),
    (r"\.levels\.(\d)\.project\.", r".act_postprocess.\1.0."),
    (r"\.levels\.(\d)\.resample\.", r".act_postprocess.\1.1."),
    (r"\.levels\.0\.narrow\.", ".scratch.layer1_rn."),
    (r"\.levels\.1\.narrow\.", ".scratch.layer2_rn."),
    (r"\.levels\.2\.narrow\.", ".scratch.layer3_rn."),
    (r"\.levels\.3\.narrow\.", ".scratch.layer4_rn."),
    (r"\.fusions\.0\.", ".scratch.refinenet1."),
    (r"\.fusions\.1\.", ".scratch.refinenet2."),
    (r"\.fusions\.2\.", ".scratch.refinenet3."),
    (r"\.fusions\.3\.", ".scratch.refinenet4."),
    (r"\.skip\.", ".resConfUnit1."),
    (r"\.refine\.", ".resConfUnit2."),
    (r"(refinenet\d)\.out\.", r"\1.out_conv."),
    (r"(dpt_\w+)\.conv1\.", r"\1.head.0."),
    (r"(dpt_\w+)\.conv2\.", r"\1.head.2."),
    (r"(dpt_\w+)\.conv3\.", r"\1.head.4."),
)
_LINEAR_RENAMES: tuple[tuple[str, str], ...] = (
    (r"^heads\.points_camera\.mlp\.", "downstream_head.proj."),
    (r"^heads\.points_world\.mlp\.", "downstream_head.cross_proj."),
    (r"^heads\.color\.mlp\.", "downstream_head.rgb_proj."),
)

# In the files, but without influence on any output of the recurrence (see `WriteBlock`; the coarsest fusion joins nothing;
# the masked tokens stand in for missing inputs in the batched training path only), or the same tensor under a second name.
_DEAD = re.compile(
    r"^masked_(img|ray_map)_token$"
    r"|^pose_retriever\.write_blocks\.\d+\.(cross_attn\.proj[qk]|norm2)\."
    r"|\.scratch\.refinenet4\.resConfUnit1\."
)
_ALIAS = re.compile(r"\.scratch\.layer_rn\.(\d)\.")


def official_name(name: str, config: CUT3RConfig) -> str:
    """The official name of one of our weights."""
    dense = _DPT_RENAMES if isinstance(config.head, DPTConfig) else _LINEAR_RENAMES
    for pattern, replacement in (*dense, *_RENAMES):
        name = re.sub(pattern, replacement, name)
    return name


def is_dead(name: str) -> bool:
    """Whether an official weight is known to have no influence, or to be a second name of another."""
    return bool(_DEAD.search(name) or _ALIAS.search(name))


def normalise_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official weights without the prefix of data-parallel training, and with a state decoder.

    Files from before the state had a decoder of its own give it the image decoder's weights, as the official code does.
    """
    plain = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    if not any(name.startswith("dec_blocks_state.") for name in plain):
        image = [name for name in plain if name.startswith("dec_blocks.")]
        plain |= {name.replace("dec_blocks.", "dec_blocks_state.", 1): plain[name] for name in image}
    return plain


def official_shapes(ours: Mapping[str, tuple[int, ...]], config: CUT3RConfig) -> dict[str, tuple[int, ...]]:
    """All names and shapes of an official file for this configuration, dead weights and second names included."""
    shapes = {official_name(name, config): shape for name, shape in ours.items()}
    shapes |= {"masked_img_token": (1, config.encoder_width), "masked_ray_map_token": (1, config.encoder_width)}
    for name, shape in list(shapes.items()):
        if match := re.match(r"(pose_retriever\.write_blocks\.\d+)\.cross_attn\.projv\.(weight|bias)", name):
            for dead in ("cross_attn.projq", "cross_attn.projk"):
                shapes[f"{match[1]}.{dead}.{match[2]}"] = shape
            shapes[f"{match[1]}.norm2.{match[2]}"] = shape[:1]
        if ".refinenet4.resConfUnit2." in name:
            shapes[name.replace("resConfUnit2", "resConfUnit1")] = shape
        if match := re.search(r"\.scratch\.layer(\d)_rn\.", name):
            shapes[name.replace(f"layer{match[1]}_rn", f"layer_rn.{int(match[1]) - 1}")] = shape
    return shapes


def read_architecture(text: str, shapes: Mapping[str, Iterable[int]]) -> CUT3RConfig:
    """The configuration from the architecture string; sizes that the string does not give come from the weights' shapes.

    Raises:
        ValueError: if the text is not a CUT3R constructor, or names a variant that this network does not have.
    """
    settings = _constructor_settings(text)
    unsupported = {
        "state_pe": "2d",
        "output_mode": "pts3d+pose",
        "depth_mode": ("exp", -math.inf, math.inf),
        "conf_mode": ("exp", 1, math.inf),
        "pose_mode": ("exp", -math.inf, math.inf),
        "rgb_head": True,
        "pose_head": True,
    }
    for key, expected in unsupported.items():
        if settings.get(key, expected) != expected:
            raise ValueError(
                f"the checkpoint was built with {key}={settings[key]!r}; only {key}={expected!r} is supported"
            )
    rope = re.fullmatch(r"RoPE(\d+(?:\.\d+)?)", str(settings.get("pos_embed", "RoPE100")))
    kinds = {"dpt": _dpt_sizes, "linear": lambda _: LinearConfig()}
    kind = settings.get("head_type", "dpt")
    if rope is None or kind not in kinds:
        raise ValueError(
            f"the checkpoint was built with pos_embed={settings.get('pos_embed')!r}, head_type={kind!r}; "
            "supported are RoPE positions with dpt or linear heads"
        )
    size = settings.get("img_size", (512, 512))
    return CUT3RConfig(
        image_size=max(size) if isinstance(size, (tuple, list)) else size,
        patch=settings.get("patch_size", 16),
        encoder_width=settings.get("enc_embed_dim", 1024),
        encoder_depth=settings.get("enc_depth", 24),
        encoder_heads=settings.get("enc_num_heads", 16),
        ray_depth=settings.get("ray_enc_depth", 2),
        width=settings.get("dec_embed_dim", 768),
        depth=settings.get("dec_depth", 12),
        heads=settings.get("dec_num_heads", 12),
        state_heads=settings.get("state_dec_num_heads", 16),
        state_tokens=settings.get("state_size", 768),
        slots=settings.get("local_mem_size", 256),
        mlp_ratio=settings.get("mlp_ratio", 4),
        rope_base=float(rope[1]),
        head=kinds[kind](shapes),
    )


def _dpt_sizes(shapes: Mapping[str, Iterable[int]]) -> DPTConfig:
    """DPT sizes are not in the architecture string (the official code fixes them): read them off the weights."""
    prefix = "downstream_head.dpt_self."
    try:
        levels = tuple(tuple(shapes[f"{prefix}act_postprocess.{index}.0.weight"])[0] for index in range(4))
        features = tuple(shapes[f"{prefix}scratch.layer1_rn.weight"])[0]
        last = tuple(shapes[f"{prefix}head.2.weight"])[0]
    except KeyError as missing:
        raise ValueError(
            f"the architecture says dpt heads, but the weight {missing} is not in the checkpoint"
        ) from None
    return DPTConfig(features, last, levels)  # pyright: ignore[reportArgumentType]


def _constructor_settings(text: str) -> dict[str, Any]:
    """Keyword arguments of the configuration in `ARCroco3DStereo(ARCroco3DStereoConfig(key=literal, ...))`."""
    problem = f"the architecture {text[:60]!r} is not of the form ARCroco3DStereo(ARCroco3DStereoConfig(...))"
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(problem) from None
    match call:
        case ast.Call(
            func=ast.Name(id="ARCroco3DStereo"),
            args=[ast.Call(func=ast.Name(id="ARCroco3DStereoConfig"), args=[], keywords=keywords)],
            keywords=[],
        ):
            return {str(keyword.arg): _literal(keyword.value) for keyword in keywords}
    raise ValueError(problem)


def _literal(node: ast.expr) -> Any:
    """A constant, `inf`, a sign or a tuple of such."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id="inf"):
            return math.inf
        case ast.UnaryOp(op=ast.USub(), operand=operand) if isinstance(value := _literal(operand), (int, float)):
            return -value
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return tuple(_literal(part) for part in parts)
    raise ValueError(
        f"the architecture holds {ast.unparse(node)[:60]!r}; only numbers, texts and tuples are allowed there"
    )
