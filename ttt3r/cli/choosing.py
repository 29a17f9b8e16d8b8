"""From text on the command line to objects: rules, networks, devices, resize policies."""

import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated

from rich.console import Console

from ttt3r.cli.options import Option, Settings
from ttt3r.compilation import Compiled
from ttt3r.data import CropToPatches, ResizePolicy, Sampling, StretchToPatches
from ttt3r.data.procedural import TRAINING_LENGTH
from ttt3r.files import read_text
from ttt3r.network import CUT3R, load_network
from ttt3r.network.checkpoint import CONFIG, NANO, WEIGHTS
from ttt3r.network.published import resolve
from ttt3r.runner import Precision, choose_device
from ttt3r.types import Outputs
from ttt3r.update_rules import Control, ResetPolicy, RuleLabel, StateUpdateRule, rule_names

RESIZE: dict[str, type[ResizePolicy]] = {"crop": CropToPatches, "stretch": StretchToPatches}
"""Values of `--resize`."""
RECIPE = "recipe.txt"
"""What a training writes beside its network: see `ttt3r.training`."""
OUTPUTS = {
    "cameras": Outputs.CAMERA,
    "points": Outputs.CAMERA | Outputs.POINTS_CAMERA,
    "all": Outputs.ALL,
}
"""Values of `--outputs`."""


DEFAULT_RULES = {"run": "ttt3r", "train": "cut3r"}
"""Of the commands that take one rule (`--rule`)."""


def with_whole_rule(arguments: Sequence[str]) -> list[str]:
    """The arguments with a rule and its settings in one: `--rule constant --rule.rate 0.1` becomes `--rule=constant:rate=0.1`.

    No option of the parser can do this: which settings a rule has is known when the rule is found, and a rule of one's own may
    have any. So these words, and no others, are joined before the rest is parsed.

    Raises:
        ValueError: for a rule that is no label, or a setting that is given twice.
    """
    command = arguments[0] if arguments else ""
    done, given, words = [], dict[str, str](), iter(arguments)
    for argument in words:
        option, equals, value = argument.partition("=")
        if argument == "--":
            done += [argument, *words]
        elif command in DEFAULT_RULES and (option == "--rule" or option.startswith("--rule.")):
            value = value if equals else next(words, "--")
            if not equals and value.startswith("--"):
                return [*done, argument]  # the parser says that a value is missing
            given[option] = value
        else:
            done.append(argument)
    if not given:
        return done
    label = _with_settings(given.pop("--rule", DEFAULT_RULES[command]), given)
    return [*done[:1], f"--rule={label}", *done[1:]]


def _with_settings(text: str, given: Mapping[str, str]) -> RuleLabel:
    """A rule with further settings, by their options."""
    label = RuleLabel.parse(text)
    if label.reset is not None or label.control is not Control.NONE:
        cure = "leave the reset out, and see --reset-every" if label.reset is not None else "name the rule itself"
        raise ValueError(f"{text!r} is for lists of rules (--rules); {cure}")
    for option, value in given.items():
        label = label.with_setting(option.removeprefix("--rule."), RuleLabel.read_value(value))
    written: dict[str, object] = {}
    for setting, value in label.settings:
        if setting in written:
            raise ValueError(f"--rule.{setting} is given twice ({written[setting]} and {value}); give it once")
        written[setting] = value
    return label


def parse_rules(text: str) -> dict[str, StateUpdateRule]:
    """Rules from `cut3r,ttt3r@100,constant:rate=0.1,my_lab.MyRule`, by the labels under which they stand in the tables.

    What stands after `@` is read by `parse_resets`. How labels are written: `ttt3r.update_rules.naming.labels`.

    Raises:
        ValueError: for an unknown rule or setting, or if the same words stand there twice.
    """
    rules: dict[str, StateUpdateRule] = {}
    labels = RuleLabel.parse_list(text)
    odd = [later for label, later in itertools.pairwise(labels) if label.settings and later.name not in rule_names()]
    for label in labels:
        if str(label) in rules:
            raise ValueError(f"rule {str(label)!r} is named twice in {text!r}")
        try:
            rules[str(label)] = label.make()
        except (ValueError, FileNotFoundError) as error:
            if not odd:
                raise
            raise ValueError(
                f"{error}; if ,{odd[0].name} is no rule but part of the value before it, put that value in quotes"
            ) from None
    if not rules:
        raise ValueError("no rules named; give at least one, e.g. --rules cut3r,ttt3r")
    return rules


def parse_resets(labels: Iterable[str], default: int | None) -> dict[str, int | ResetPolicy | None]:
    """For each rule as named, when its memory is reset: as its label says after `@`, or else the default.

    Raises:
        ValueError: if what stands after `@` is no reset.
    """
    found = {label: RuleLabel.parse(label).reset for label in labels}
    return {label: default if reset is None else reset for label, reset in found.items()}


@dataclass(frozen=True, kw_only=True)
class InputSettings(Settings):
    """What every command that runs a network over frames takes."""

    network: Annotated[
        str, Option("nano (bundled), tiny-random, cut3r-512 (ttt3r fetch), .pth, or converted folder")
    ] = "nano"
    device: Annotated[str, Option("auto, cpu, cuda, cuda:1 or mps")] = "auto"
    size: Annotated[int | None, Option("long side of the images (default: the network's)")] = None
    resize: Annotated[str, Option("crop margins, or stretch to whole patches", choices=(*RESIZE,))] = "crop"
    precision: Annotated[
        str,
        Option(
            "of products; memory and outputs stay float32",
            choices=tuple(precision.value for precision in Precision),
        ),
    ] = Precision.FLOAT32.value
    compile: Annotated[
        bool,
        Option("compile the network: the first frames take minutes, the others less time; for long streams"),
    ] = False
    stride: Annotated[int, Option("take every n-th frame")] = 1
    start: Annotated[int, Option("first frame of the source")] = 0
    stop: Annotated[int | None, Option("one past the last frame of the source")] = None
    skip_broken: Annotated[bool, Option("leave broken frames out instead of stopping")] = False
    reset_every: Annotated[int | None, Option("reset the memory every n frames and chain")] = None


def load(settings: InputSettings, console: Console) -> CUT3R | Compiled:
    """The network of `--network` on the device of `--device`, compiled with `--compile`; says what it chose."""
    device = choose_device(settings.device)
    network = load_network(settings.network, device)
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    console.print(
        f"network [bold]{settings.network}[/] ({millions:.1f} M parameters) on [bold]{device}[/]", highlight=False
    )
    if is_toy(settings.network, network):
        console.print("[yellow]this network is untrained or tiny: every step runs, but the numbers mean nothing[/]")
    elif settings.network == "nano":
        console.print("[yellow]nano has seen procedural houses only: on other images its answers are rough guesses[/]")
    if not settings.compile:
        return network
    console.print("the network is compiled at the first frames, which takes some minutes", highlight=False)
    return Compiled(network)


def precision(settings: InputSettings) -> AbstractContextManager[object]:
    """The context of `--precision` on the device of `--device`.

    Raises:
        ValueError: if the device has no fast arithmetic for it.
    """
    return Precision(settings.precision).on(choose_device(settings.device))


def is_toy(source: str, network: CUT3R | Compiled) -> bool:
    """Whether the numbers of a network cannot mean anything: random weights, or too narrow to have learned geometry."""
    return source == "tiny-random" or network.config.width < 96


def policy(settings: InputSettings, network: CUT3R | Compiled) -> ResizePolicy:
    """How images are prepared for this network."""
    return RESIZE[settings.resize](settings.size or network.config.image_size)


def sampling(settings: InputSettings) -> Sampling:
    """Which frames are taken."""
    return Sampling(settings.stride, settings.start, settings.stop)


def fingerprint(source: str) -> str:
    """SHA-256 of a network's file or, for a folder, of its weights and settings; the name of one that needs no file."""
    path = NANO if source == "nano" else resolve(source)
    files = [path / WEIGHTS, path / CONFIG] if path.is_dir() else [path]
    if not all(file.is_file() for file in files):
        return source
    digests = []
    for name in files:
        with name.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256"))
    if len(digests) == 1:
        return digests[0].hexdigest()  # what sha256sum prints
    return hashlib.sha256(b"".join(digest.digest() for digest in digests)).hexdigest()


def longest_clip(source: str) -> int | None:
    """Frames of the longest clip that a network was trained on, as the recipe beside it says; `None` if none says so."""
    if source == "nano":
        return TRAINING_LENGTH
    path = resolve(source)
    for folder in (path, path.parent):
        try:
            text = read_text(folder / RECIPE)
        except (OSError, ValueError):
            continue
        if clips := re.findall(r"\bframes'?: [\[(]\d+, (\d+)[\])]", text):
            return max(map(int, clips))
    return None


def parse_lengths(text: str) -> tuple[int, ...]:
    """The prefixes that `--lengths` names; none for an empty text.

    Raises:
        ValueError: for anything but whole numbers with commas between.
    """
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise ValueError(f"--lengths takes whole numbers with commas between, got {text!r}; e.g. 50,100,500") from None
