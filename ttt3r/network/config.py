"""Sizes of a CUT3R network, as frozen settings that can be written to JSON and read back."""

import dataclasses
import enum
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from ttt3r.types import LengthUnit
from ttt3r.untrusted import member, parse_json, real, require_names, shown, whole


class RayForm(enum.Enum):
    """What a ray map holds; queries must have the form that the network was trained with."""

    OFFICIAL = "official"
    """Origin, and normalise(R K^-1 (column, row, 1) + origin): the form that the official weights saw."""
    DIRECTION = "direction"
    """Origin, and the pure direction normalise(R K^-1 (column + 1/2, row + 1/2, 1))."""


@dataclass(frozen=True)
class DPTConfig:
    """Dense prediction heads that fuse four levels of tokens by convolutions.

    Args:
        features: channels of the fused maps.
        last: channels before the output.
        levels: channels of the four levels, fine to coarse.
    """

    features: int = 256
    last: int = 128
    levels: tuple[int, int, int, int] = (96, 192, 384, 768)

    def __post_init__(self) -> None:
        if not isinstance(self.levels, tuple) or len(self.levels) != 4:
            raise ValueError(f"levels={shown(self.levels)} must be four whole numbers")
        names = {"features": self.features, "last": self.last} | {f"levels[{i}]": n for i, n in enumerate(self.levels)}
        for name, value in names.items():
            whole(value, name, 2 if name == "features" else 1, 16384)  # these are halved before the output


@dataclass(frozen=True)
class LinearConfig:
    """Dense prediction heads that turn each token of the last level into its patch of pixels by an MLP."""


@dataclass(frozen=True)
class UNetConfig:
    """Heads of points that see the image beside the tokens; colours are drawn from the last level by an MLP, as always.

    Not in the official networks. A small network learns depth from far fewer frames by convolutions than by tokens alone.

    Args:
        widths: channels of the maps, from half the image's size to the grid of patches, each half as large as the one before.

    Raises:
        ValueError: for no widths, or one that `GROUPS` does not divide.
    """

    GROUPS: ClassVar[int] = 4
    """Groups of channels that are normalised together."""

    widths: tuple[int, ...] = (32, 64, 96)

    def __post_init__(self) -> None:
        if not isinstance(self.widths, tuple) or not 1 <= len(self.widths) <= 8:
            raise ValueError(f"widths={shown(self.widths)} must be one to eight multiples of {self.GROUPS}")
        if any(type(width) is not int or not 1 <= width <= 4096 or width % self.GROUPS for width in self.widths):
            raise ValueError(f"widths={shown(self.widths)} must be multiples of {self.GROUPS}, each at most 4096")


# Far beyond any network of this kind. A file may claim any size; nothing is built before it is known to be possible.
_MOST = {
    "image_size": 16384,
    "patch": 256,
    "encoder_width": 16384,
    "encoder_depth": 256,
    "encoder_heads": 512,
    "ray_depth": 256,
    "ray_heads": 512,
    "width": 16384,
    "depth": 256,
    "heads": 512,
    "state_heads": 512,
    "state_tokens": 65536,
    "slots": 65536,
    "mlp_ratio": 64,
}


@dataclass(frozen=True)
class CUT3RConfig:
    """Sizes of the network; the defaults are those of the official 512 checkpoint.

    Args:
        image_size: long side of the images that it was trained on (512), or 224 for square crops.
        patch: side of a patch in pixels.
        encoder_width, encoder_depth, encoder_heads: the image encoder.
        ray_depth, ray_heads: the ray-map encoder, of the same width.
        width: width of the decoder, the state and the camera token.
        depth, heads: the image stream of the decoder.
        state_heads: heads of the state stream, which has the same width and depth.
        state_tokens: number of state tokens.
        slots: entries of the pose memory.
        mlp_ratio: hidden width of every MLP over its width.
        rope_base: base of the rotary embedding's frequencies.
        head: kind and sizes of the dense heads.
        ray_form: what a ray map holds.
        state_codes: add a learned code per state token before every layer of the state stream. Not in the official
            networks; it keeps the few tokens of a small network apart.
        unit: of all lengths that the network predicts.

    Raises:
        ValueError: if widths and heads do not fit together.
    """

    image_size: int = 512
    patch: int = 16
    encoder_width: int = 1024
    encoder_depth: int = 24
    encoder_heads: int = 16
    ray_depth: int = 2
    ray_heads: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    state_heads: int = 16
    state_tokens: int = 768
    slots: int = 256
    mlp_ratio: int = 4
    rope_base: float = 100.0
    head: DPTConfig | LinearConfig | UNetConfig = DPTConfig()
    ray_form: RayForm = RayForm.OFFICIAL
    state_codes: bool = False
    unit: LengthUnit = LengthUnit.METRES

    def __post_init__(self) -> None:
        for name, most in _MOST.items():
            whole(getattr(self, name), name, 1, most)
        if real(self.rope_base, "rope_base", 1, 1e9) == 1:
            raise ValueError("rope_base=1 must be above 1")
        for name, kinds in (("head", _HEADS), ("ray_form", (RayForm,)), ("state_codes", (bool,))):
            if not isinstance(value := getattr(self, name), kinds):
                raise ValueError(f"{name}={shown(value)} must be a {' or '.join(kind.__name__ for kind in kinds)}")
        for what, width, heads in (
            ("encoder", self.encoder_width, self.encoder_heads),
            ("ray-map encoder", self.encoder_width, self.ray_heads),
            ("image decoder", self.width, self.heads),
            ("state decoder", self.width, self.state_heads),
        ):
            if width % (4 * heads):
                raise ValueError(
                    f"{what}: width {width} over {heads} heads must give a multiple of 4 per head (the rotary embedding "
                    "turns pairs in two halves); change width or heads"
                )
        if self.depth % 4:
            raise ValueError(
                f"decoder depth must be a multiple of 4 (the heads read levels 1/2, 3/4, 1), got {self.depth}"
            )
        if isinstance(self.head, UNetConfig) and self.patch != 2 ** len(self.head.widths):
            raise ValueError(
                f"heads of {len(self.head.widths)} widths halve the image to patches of {2 ** len(self.head.widths)} pixels, "
                f"but patch={self.patch}; give log2(patch) widths"
            )

    @classmethod
    def official_512(cls) -> "CUT3RConfig":
        """`cut3r_512_dpt_4_64`: 793.3 M parameters, DPT heads."""
        return cls()

    @classmethod
    def official_224(cls) -> "CUT3RConfig":
        """`cut3r_224_linear_4`: the same backbone with linear heads, square images of 224 pixels."""
        return cls(image_size=224, head=LinearConfig())

    @classmethod
    def tiny(cls) -> "CUT3RConfig":
        """Everything small: for tests and for trying everything in seconds on a CPU."""
        return cls(
            image_size=64,
            encoder_width=64,
            encoder_depth=2,
            encoder_heads=4,
            width=48,
            depth=4,
            heads=4,
            state_heads=2,
            state_tokens=30,
            slots=8,
            head=DPTConfig(features=16, last=8, levels=(12, 16, 24, 32)),
        )

    @classmethod
    def nano(cls) -> "CUT3RConfig":
        """The bundled network: the real architecture at 64 x 48 pixels, 48 image tokens and 48 state tokens."""
        return cls(
            image_size=64,
            patch=8,
            encoder_width=96,
            encoder_depth=4,
            encoder_heads=4,
            ray_heads=4,
            width=96,
            depth=4,
            heads=4,
            state_heads=4,
            state_tokens=48,
            slots=8,
            head=UNetConfig(),
            ray_form=RayForm.DIRECTION,
            state_codes=True,
            unit=LengthUnit.FIRST_VIEW,
        )

    def to_json(self) -> str:
        """The settings as JSON text."""
        values: dict[str, Any] = dataclasses.asdict(self) | {"ray_form": self.ray_form.value, "unit": self.unit.value}
        values["head"] = {"kind": type(self.head).__name__} | dataclasses.asdict(self.head)
        return json.dumps(values, indent=2)

    @classmethod
    def from_json(cls, text: str) -> "CUT3RConfig":
        """Read what `to_json` wrote.

        Raises:
            ValueError: for text that is no such JSON, an unknown setting or an unknown kind of head.
        """
        try:
            values = parse_json(text)
        except ValueError as error:
            raise ValueError(f"not the settings of a CUT3R network ({error}); expected what to_json writes") from error
        if not isinstance(values, dict) or not isinstance(values.get("head"), dict):
            raise ValueError(f"{shown(values)}: not the settings of a CUT3R network; expected what to_json writes")
        values.setdefault("unit", LengthUnit.METRES.value)  # files of older releases do not say it
        head: dict[str, Any] = dict(values["head"])
        kind = next((kind for kind in _HEADS if kind.__name__ == head.get("kind")), None)
        if kind is None:
            known = ", ".join(kind.__name__ for kind in _HEADS)
            raise ValueError(f"not the settings of a known head: kind={shown(head.get('kind'))}; known are {known}")
        head.pop("kind")
        require_names(cls, values)
        require_names(kind, head)
        head = {name: tuple(value) if isinstance(value, list) else value for name, value in head.items()}
        form, unit = member(RayForm, values["ray_form"]), member(LengthUnit, values["unit"])
        return cls(**(values | {"head": kind(**head), "ray_form": form, "unit": unit}))


_HEADS = (DPTConfig, LinearConfig, UNetConfig)
