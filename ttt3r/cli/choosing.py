"""From words on the command line to objects: rules, networks, devices, resize policies."""

import hashlib
import math
import re
from argparse import SUPPRESS, Action
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser, DefaultHelpFormatter
from rich.console import Console

from ttt3r.cli.strict import REPEATABLE, nearest
from ttt3r.compilation import Compiled
from ttt3r.data import CropToPatches, ResizePolicy, Sampling, StretchToPatches
from ttt3r.network import CUT3R, load_network
from ttt3r.network.checkpoint import CONFIG, NANO, WEIGHTS
from ttt3r.runner import Precision, choose_device
from ttt3r.types import Outputs
from ttt3r.update_rules import StateUpdateRule, find_rule
from ttt3r.update_rules.resets import split_reset


class Help(DefaultHelpFormatter):
    """Help without the types that the names of the values already tell."""

    def _get_help_string(self, action: Action) -> str:
        text = action.help or ""
        if action.required:
            return text + (" (required)" if action.option_strings else "")
        plain = isinstance(action.default, str | int | float | Path) and not isinstance(action.default, bool)
        return text + " (default: %(default)s)" if plain and action.default != SUPPRESS and action.default else text


RESIZE: dict[str, type[ResizePolicy]] = {"crop": CropToPatches, "stretch": StretchToPatches}
OUTPUTS = {
    "cameras": Outputs.CAMERA,
    "points": Outputs.CAMERA | Outputs.POINTS_CAMERA,
    "all": Outputs.ALL,
}


def with_rule_classes(arguments: Sequence[str]) -> list[str]:
    """The arguments with the value of `--rule` as the full path of its class, so that `--rule.setting` finds its settings.

    `--rule constant:rate=0.1`, as in a list of rules, becomes `--rule CLASS --rule.rate=0.1`. `--grid` and `--data` may be
    given several times; each adds to those before.

    Raises:
        ValueError: for an unknown rule, with the known ones and near matches, or a setting that is no `name=value`.
    """
    done, expects = [], False
    for argument in arguments:
        if expects:
            done += _class_and_settings(argument)
        elif argument.startswith("--rule="):
            done += ["--rule", *_class_and_settings(argument.removeprefix("--rule="))]
        elif (option := argument.partition("=")[0]) in REPEATABLE:
            done.append(f"{option}+{argument.removeprefix(option)}")
        else:
            done.append(argument)
        expects = argument in ("--rule", "--rule.help") and not expects
    return done


def _class_and_settings(text: str) -> list[str]:
    """The path of a rule's class, and its settings as options."""
    name, *settings = text.split(":")
    if reset := re.search(r"@[^/=]*$", text):
        raise ValueError(f"{text!r}: {reset[0]} is for lists of rules (--rules); leave it out, and see --reset-every")
    if bare := [setting for setting in settings if "=" not in setting]:
        raise ValueError(f"{text!r}: {bare[0]!r} is no setting; write name:setting=value")
    found = find_rule(name)
    return [f"{found.__module__}.{found.__qualname__}", *(f"--rule.{setting}" for setting in settings)]


def parse_rules(text: str) -> dict[str, StateUpdateRule]:
    """Rules from `cut3r,ttt3r@100,constant:rate=0.1,my_lab.MyRule`; the text of each is its name in the tables.

    What stands after `@` is read by `parse_resets`.

    Raises:
        ValueError: for an unknown rule or setting, or if the same words stand there twice.
    """
    rules: dict[str, StateUpdateRule] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        if item in rules:
            raise ValueError(f"rule {item!r} is named twice in {text!r}")
        rules[item] = _parse_rule(item)
    if not rules:
        raise ValueError("no rules named; give at least one, e.g. --rules cut3r,ttt3r")
    return rules


def parse_resets(names: Iterable[str], default: int | None) -> dict[str, int | None]:
    """For each rule as named, after how many frames its memory restarts: the number after `@`, or else the default.

    Raises:
        ValueError: if what stands after `@` is no number of frames.
    """
    found = {name: split_reset(name)[1] for name in names}
    return {name: default if reset is None else reset for name, reset in found.items()}


def _parse_rule(item: str) -> StateUpdateRule:
    name, *settings = split_reset(item)[0].split(":")
    if "=" in name:
        raise ValueError(
            f"{item!r} is a setting and no rule; the settings of a rule are joined by colons, as in constant:rate=0.1"
        )
    kind = find_rule(name)
    names = [setting.partition("=")[0].strip() for setting in settings]
    for setting in names:
        if names.count(setting) > 1:
            raise ValueError(f"{item!r} gives {setting} twice; give it once")
    parser = ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_class_arguments(kind, "rule")
    cure = f"write name:setting=value, settings as `ttt3r rules show {name}` lists"
    known = [key.removeprefix("rule.") for key in dict(parser.get_defaults().items())]
    if unknown := [setting for setting in names if setting.partition(".")[0] not in known]:
        raise ValueError(f"{item!r}: {name} has no setting {unknown[0]!r}{nearest(unknown[0], known)}; {cure}")
    try:
        words = [f"--rule.{setting}" for setting in settings]
        rule = parser.instantiate(parser.parse_args(words)).rule
    except ArgumentError as error:
        raise ValueError(f"{item!r}: {error}; {cure}") from None
    return check_rule(rule)


def check_rule(rule: StateUpdateRule) -> StateUpdateRule:
    """The rule, if none of its settings is NaN, which compares with nothing and so passes other checks.

    Raises:
        ValueError: names the setting.
    """
    for name, value in vars(rule).items():
        if isinstance(value, float) and math.isnan(value):
            raise ValueError(f"the setting {name} of {type(rule).__name__} is nan; give a number")
    return rule


def add_input_arguments(parser: ArgumentParser) -> None:
    """What every command that runs a network over frames takes."""
    parser.add_argument(
        "--network", type=str, default="nano", help="nano (bundled), tiny-random, official .pth, or converted folder"
    )
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1 or mps")
    parser.add_argument(
        "--size", type=int | None, default=None, help="long side of the images (default: the network's)"
    )
    parser.add_argument("--resize", choices=[*RESIZE], default="crop", help="crop margins, or stretch to whole patches")
    parser.add_argument(
        "--precision",
        choices=[precision.value for precision in Precision],
        default=Precision.FLOAT32.value,
        help="of products; memory and outputs stay float32",
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="compile the network: the first frames take minutes, the others less time; for long streams",
    )
    parser.add_argument("--stride", type=int, default=1, help="take every n-th frame")
    parser.add_argument("--start", type=int, default=0, help="first frame of the source")
    parser.add_argument("--stop", type=int | None, default=None, help="one past the last frame of the source")
    parser.add_argument("--skip-broken", action="store_true", help="leave broken frames out instead of stopping")
    parser.add_argument(
        "--reset-every", type=int | None, default=None, help="restart the memory every n frames and chain"
    )


def load(settings: Any, console: Console) -> CUT3R | Compiled:
    """The network of `--network` on the device of `--device`, compiled with `--compile`; says what it chose."""
    device = choose_device(settings.device)
    network = load_network(settings.network, device)
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    console.print(
        f"network [bold]{settings.network}[/] ({millions:.1f} M parameters) on [bold]{device}[/]", highlight=False
    )
    if is_toy(settings.network, network):
        console.print("[yellow]this network is untrained or tiny: the path is real, the numbers mean nothing[/]")
    elif settings.network == "nano":
        console.print("[yellow]nano has seen procedural rooms only: on other images its answers are rough guesses[/]")
    if not settings.compile:
        return network
    console.print("the network is compiled at the first frames, which takes some minutes", highlight=False)
    return Compiled(network)


def precision(settings: Any) -> AbstractContextManager[object]:
    """The context of `--precision` on the device of `--device`.

    Raises:
        ValueError: if the device has no fast arithmetic for it.
    """
    return Precision(settings.precision).on(choose_device(settings.device))


def is_toy(source: str, network: CUT3R | Compiled) -> bool:
    """Whether the numbers of a network cannot mean anything: random weights, or too narrow to have learned geometry."""
    return source == "tiny-random" or network.config.width < 96


def policy(settings: Any, network: CUT3R | Compiled) -> ResizePolicy:
    """How images are prepared for this network."""
    return RESIZE[settings.resize](settings.size or network.config.image_size)


def sampling(settings: Any) -> Sampling:
    """Which frames are taken."""
    return Sampling(settings.stride, settings.start, settings.stop)


def fingerprint(source: str) -> str:
    """SHA-256 of a network's file or, for a folder, of its weights and settings; the name of one that needs no file."""
    path = NANO if source == "nano" else Path(source)
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


def parse_lengths(text: str) -> tuple[int, ...]:
    """The prefixes that `--lengths` names; none for an empty text.

    Raises:
        ValueError: for anything but whole numbers with commas between.
    """
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise ValueError(f"--lengths takes whole numbers with commas between, got {text!r}; e.g. 50,100,500") from None
