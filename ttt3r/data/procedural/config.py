"""Settings of the procedural world. All are checked when they are made; none is a string or a switch."""

from dataclasses import dataclass, fields, replace

from ttt3r.data.procedural.camera_motion import CameraMotion
from ttt3r.data.procedural.motion import Range, check_range
from ttt3r.data.procedural.paths import Walk


@dataclass(frozen=True)
class Textures:
    """Which patterns surfaces have: weights of the kinds of pattern, and how they look. Colours are drawn per surface.

    Args:
        plain: one colour.
        gradient: from one colour to another, upwards.
        checker: squares.
        stripes: at any angle.
        bricks: rows that are shifted, with joints; every brick has its own shade.
        tiles: a grid with joints; every tile has its own shade.
        marble: smooth noise.
        contrast: smallest and largest difference between the two colours of a pattern, 0 to 1.
        saturation: smallest and largest saturation of colours, 0 to 1.
        period: smallest and largest size of a cell of the pattern, metres.

    Raises:
        ValueError: for negative weights or none, or a range that is not one.
    """

    plain: float = 1.0
    gradient: float = 1.0
    checker: float = 1.0
    stripes: float = 1.5
    bricks: float = 1.5
    tiles: float = 1.5
    marble: float = 1.5
    contrast: Range = (0.2, 0.6)
    saturation: Range = (0.1, 0.75)
    period: Range = (0.25, 0.9)

    def __post_init__(self) -> None:
        if min(self.weights) < 0 or sum(self.weights) <= 0:
            raise ValueError(f"weights of textures must be 0 or more and not all 0, got {self.weights}")
        check_range("contrast", self.contrast, 0.0, 1.0)
        check_range("saturation", self.saturation, 0.0, 1.0)
        check_range("period", self.period, 0.02, 10.0)

    @property
    def weights(self) -> tuple[float, ...]:
        """Of the seven patterns, in their order here."""
        return self.plain, self.gradient, self.checker, self.stripes, self.bricks, self.tiles, self.marble

    @classmethod
    def soft(cls) -> "Textures":
        """Plain colours and gradients only."""
        return cls(checker=0, stripes=0, bricks=0, tiles=0, marble=0)

    @classmethod
    def bold(cls) -> "Textures":
        """Strong patterns and colours everywhere: places are easy to distinguish."""
        return cls(plain=0, gradient=0, contrast=(0.5, 0.9), saturation=(0.4, 0.9))


@dataclass(frozen=True)
class Lights:
    """How the rooms are lit: a lamp under each ceiling, a faint light from one side, and light from everywhere.

    Args:
        ambient: smallest and largest share of the light from everywhere, 0 to 1.
        tint: largest colouring of a lamp, 0 to 1.
        shadows: whether lamps throw shadows; this doubles the cost.

    Raises:
        ValueError: for values out of these ranges.
    """

    ambient: Range = (0.45, 0.65)
    tint: float = 0.25
    shadows: bool = False

    def __post_init__(self) -> None:
        check_range("ambient", self.ambient, 0.0, 1.0)
        if not 0 <= self.tint <= 1:
            raise ValueError(f"tint={self.tint} must lie in 0 ... 1")

    @classmethod
    def even(cls) -> "Lights":
        """The same light everywhere: colours hardly depend on where a surface stands."""
        return cls(ambient=(0.85, 0.95), tint=0.0)

    @classmethod
    def dim(cls) -> "Lights":
        """Coloured lamps in dark rooms."""
        return cls(ambient=(0.12, 0.25), tint=0.6)


@dataclass(frozen=True)
class WorldConfig:
    """The procedural world: what is random in it, and within which bounds.

    Args:
        width: of the images, pixels.
        height: of the images, pixels.
        path: how the camera moves.
        rooms: smallest and largest number of connected rooms.
        solids: smallest and largest number of pieces of furniture in each room (as many as find a place).
        textures: patterns of all surfaces.
        lights: lamps of all rooms.
        field_of_view: smallest and largest horizontal field of view, degrees.
        scale: smallest and largest side of a room, metres.
        moving: number of moving balls in each world.
        supersample: rays for the colour of a pixel, along each side of it.
        patch: width and height must be multiples of this.

    Raises:
        ValueError: for a setting that cannot be used; it says which, and what to give instead.
    """

    width: int = 64
    height: int = 48
    path: CameraMotion = Walk()
    rooms: tuple[int, int] = (1, 3)
    solids: tuple[int, int] = (2, 8)
    textures: Textures = Textures()
    lights: Lights = Lights()
    field_of_view: Range = (60.0, 90.0)
    scale: Range = (2.8, 6.0)
    moving: int = 0
    supersample: int = 1
    patch: int = 16

    def __post_init__(self) -> None:
        kinds = {"path": CameraMotion, "textures": Textures, "lights": Lights}
        for name, kind in kinds.items():
            given = getattr(self, name)
            if not isinstance(given, kind):
                raise ValueError(f"{name}={given!r} must be an object such as {name}={_EXAMPLES[name]}")
        for field in fields(self):
            if field.type is int and (
                not isinstance(given := getattr(self, field.name), int) or isinstance(given, bool)
            ):
                raise ValueError(f"{field.name}={given!r} must be a whole number")
        if self.patch < 1:
            raise ValueError(f"patch={self.patch} must be at least 1")
        for name, pixels in (("width", self.width), ("height", self.height)):
            if pixels < self.patch or pixels % self.patch:
                better = max(self.patch, round(pixels / self.patch) * self.patch)
                raise ValueError(f"{name}={pixels} must be a multiple of the patch, {self.patch} pixels; give {better}")
        _check_counts("rooms", self.rooms, 1, 6)
        _check_counts("solids", self.solids, 0, 20)
        check_range("field_of_view", self.field_of_view, 20.0, 140.0)
        check_range("scale", self.scale, 2.0, 30.0)
        if not 0 <= self.moving <= 16:
            raise ValueError(f"moving={self.moving} must lie in 0 ... 16")
        if not 1 <= self.supersample <= 8:
            raise ValueError(f"supersample={self.supersample} must lie in 1 ... 8 (1 is one ray per pixel)")

    def at_speed(self, slowest: float, fastest: float | None = None) -> "WorldConfig":
        """The same houses and paths at so many times the speed, see `CameraMotion.at_speed`."""
        return replace(self, path=self.path.at_speed(slowest, fastest))


_EXAMPLES = {"path": "Walk()", "textures": "Textures()", "lights": "Lights()"}


def _check_counts(name: str, given: tuple[int, int], low: int, high: int) -> None:
    if not low <= given[0] <= given[1] <= high:
        raise ValueError(f"{name}={given} must be (smallest, largest) whole numbers within {low} ... {high}")
