"""Loading and saving networks. A checkpoint is untrusted input: nothing in it is ever run.

Two forms are read: the official `.pth` (a pickle, read with PyTorch's `weights_only` reader and inert stand-ins for the
few classes that such files pickle beside the weights) and our own folder with `model.safetensors` and `config.json`.
"""

import argparse
import importlib.resources
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ttt3r.files import replacing
from ttt3r.network.config import CUT3RConfig
from ttt3r.network.cut3r import CUT3R
from ttt3r.network.official import is_dead, normalise_names, official_name, read_architecture
from ttt3r.network.published import PUBLISHED, resolve
from ttt3r.network.unpickling import CheckpointError, Inert, read_pickle_safely
from ttt3r.untrusted import DamagedFile, read_table, reading, shown, tensor_forms

WEIGHTS, CONFIG = "model.safetensors", "config.json"


_CONVERT = "convert the checkpoint again (ttt3r convert)"
_REINSTALL = "reinstall the package: pip install --force-reinstall ttt3r"


class CheckpointWarning(UserWarning):
    """Something in a checkpoint that is not needed or not known."""


def load_network(source: str | Path, device: torch.device | str = "cpu") -> CUT3R:
    """Load a network for inference.

    Args:
        source: an official `.pth`, a folder that `save_network` or `ttt3r convert` wrote, the name of a published network
            that `ttt3r fetch` has fetched (`"cut3r-512"`), or the name of one that comes with the package: `"nano"` (small,
            trained on procedural houses; see its model card) or `"tiny-random"` (untrained; it runs every step in seconds,
            its numbers mean nothing). What lies at a path of that name wins over a published name.
        device: where to put it.

    Raises:
        FileNotFoundError: if there is nothing at `source`.
        CheckpointError: if the file is damaged, of another architecture, has a weight missing, or holds what may not be read.
    """
    if str(source) in NETWORKS:
        return NETWORKS[str(source)]().to(device)
    path = resolve(source)
    published = PUBLISHED.get(str(source))
    if path.is_dir():
        network = _load_folder(path)
    elif path.is_file():
        network = _load_official(path)
    else:
        if published is not None:
            raise FileNotFoundError(f"{published.name} is not in {path}: run {published.command} ({published.licence})")
        raise FileNotFoundError(
            f"no network at {path}: give an official .pth, a converted folder, or one of "
            f"{', '.join([*NETWORKS, *PUBLISHED])}. The official weights are not ours to ship; see ttt3r fetch"
        )
    return network.to(device)


NANO = Path(__file__).parent / "nano"
"""The folder of the bundled network."""

NETWORKS: dict[str, Callable[[], CUT3R]] = {
    "nano": lambda: _load_nano(),
    "tiny-random": lambda: CUT3R.random(CUT3RConfig.tiny(), seed=0),
}
"""Networks that come with the package, by name."""


def save_network(network: CUT3R, folder: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Write `model.safetensors`, with weights of the given type, and `config.json`. Loading makes them float32 again."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.to(dtype).contiguous() for name, tensor in network.state_dict().items()}
    with replacing(folder / CONFIG) as partial:
        partial.write_text(network.config.to_json() + "\n", encoding="utf-8")
    with replacing(folder / WEIGHTS) as partial:
        save_file(weights, partial)


def build(config: CUT3RConfig, weights: Mapping[str, Tensor]) -> CUT3R:
    """A network that takes the given tensors as its weights (float32, held once)."""
    with torch.device("meta"):
        network = CUT3R(config)
    taken: set[int] = set()
    own: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        own[name] = tensor.float()
        where = own[name].untyped_storage().data_ptr()
        if where in taken:  # two names of one tensor in the file become two weights
            own[name] = own[name].clone()
        taken.add(where)
    network.load_state_dict(own, assign=True)
    return network.eval()


def _load_nano() -> CUT3R:
    """The bundled network; out of a zip, if the package is imported from one."""
    try:
        if NANO.is_dir():
            return _load_folder(NANO, _REINSTALL)
        bundled = importlib.resources.files("ttt3r.network") / NANO.name
        with tempfile.TemporaryDirectory() as folder:
            for name in (CONFIG, WEIGHTS):
                (Path(folder) / name).write_bytes((bundled / name).read_bytes())
            return _load_folder(Path(folder), _REINSTALL)
    except (CheckpointError, OSError) as error:
        reason = str(error).removesuffix(f"; {_REINSTALL}")
        raise CheckpointError(f"the bundled network nano is damaged ({reason}); {_REINSTALL}") from error


def _load_folder(path: Path, cure: str = _CONVERT) -> CUT3R:
    if not (path / CONFIG).is_file() or not (path / WEIGHTS).is_file():
        raise CheckpointError(f"{path} has no {CONFIG} or no {WEIGHTS}; {cure}")
    try:
        with reading(path / CONFIG, "the settings of a network", cure):
            config = CUT3RConfig.from_json(read_table(path / CONFIG))
        with reading(path / WEIGHTS, "a file of weights", cure):
            forms = tensor_forms(path / WEIGHTS)
            odd = [f"{name} is of type {form.dtype}" for name, form in forms.items() if not form.is_float]
            if odd:
                raise ValueError(f"{odd[0][:80]}, expected floats")
    except DamagedFile as error:
        raise CheckpointError(str(error)) from error
    source = _sources({name: form.shape for name, form in forms.items()}, _shapes(config), f"{path}", {})
    with safe_open(path / WEIGHTS, framework="pt") as file:
        return build(config, {ours: file.get_tensor(theirs) for ours, theirs in source.items()})


def _load_official(path: Path) -> CUT3R:
    checkpoint = read_pickle_safely(path)
    text, state = _architecture_text(checkpoint), checkpoint.get("model")
    if text is None or not isinstance(state, dict) or not _is_state(state):
        raise CheckpointError(
            f"{path} is a PyTorch file, but not a CUT3R checkpoint: expected 'args' with the architecture in its 'model' "
            f"and 'model' with the weights, found {sorted(shown(key) for key in checkpoint)[:8]}"
        )
    try:
        official = normalise_names(state)
        config = read_architecture(text, {name: tuple(tensor.shape) for name, tensor in official.items()})
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: {str(error)[:200] or type(error).__name__}") from error
    expected = _shapes(config)
    names = {name: official_name(name, config) for name in expected}
    source = _sources({name: tuple(tensor.shape) for name, tensor in official.items()}, expected, f"{path}", names)
    for theirs in source.values():
        _check_tensor(theirs, official[theirs], f"{path}")
    return build(config, {ours: official[theirs] for ours, theirs in source.items()})


def _shapes(config: CUT3RConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight of ours, without making any."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in CUT3R(config).state_dict().items()}


def _sources(
    found: Mapping[str, tuple[int, ...]],
    expected: Mapping[str, tuple[int, ...]],
    where: str,
    names: Mapping[str, str],
) -> dict[str, str]:
    """The file's name of each of our weights. Refuses what is missing or mis-shaped; warns of what is dead or unknown.

    Args:
        found: names and shapes in the file.
        expected: our names and shapes.
        where: the file, for messages.
        names: the file's name of each of our weights, where it differs.
    """
    source = {name: names.get(name, name) for name in expected}
    missing = sorted(theirs for theirs in source.values() if theirs not in found)
    if missing:
        raise CheckpointError(
            f"{where} misses {len(missing)} weights, among them {missing[:4]}; it is incomplete or of another network"
        )
    wrong = [
        f"{theirs} is {found[theirs]}, expected {expected[ours]}"
        for ours, theirs in source.items()
        if found[theirs] != expected[ours]
    ]
    if wrong:
        raise CheckpointError(f"{where} has {len(wrong)} weights of another shape: {'; '.join(wrong[:3])}")
    rest = sorted(set(found) - set(source.values()))
    dead = [name for name in rest if is_dead(name)]
    if unknown := [name for name in rest if not is_dead(name)]:
        _warn(
            f"{where}: {len(unknown)} unexpected weights are not used: {', '.join(shown(n)[1:-1] for n in unknown[:6])}"
        )
    if dead:
        _warn(f"{where}: {len(dead)} weights that cannot influence any output, or repeat another, are left out")
    return source


def _check_tensor(name: str, tensor: Tensor, where: str) -> None:
    """Refuse what is no ordinary weight: a sparse tensor, one without data, whole numbers, or a few bytes posing as many."""
    ordinary = tensor.layout is torch.strided and tensor.device.type == "cpu" and tensor.is_floating_point()
    if not ordinary or tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
        raise CheckpointError(
            f"{where}: {name} is no plain tensor of floats ({tensor.dtype}, {tensor.layout}); it was not loaded"
        )


def _warn(message: str) -> None:
    warnings.warn(message, CheckpointWarning, stacklevel=5)


def _is_state(state: Mapping[Any, Any]) -> bool:
    """Whether it is tensors by name. Exactly tensors: what derives from them may compute when it is asked for its shape."""
    kinds = (Tensor, torch.nn.Parameter)
    return all(type(tensor) in kinds and isinstance(name, str) for name, tensor in state.items())


def _architecture_text(checkpoint: Mapping[str, Any]) -> str | None:
    """The architecture string from `args.model`, for a plain namespace, a dictionary or a pickled OmegaConf container."""
    value = _member(checkpoint.get("args"), "model")
    return value if isinstance(value, str) else None


def _member(holder: Any, key: str) -> Any:
    holder = _entries(holder)
    if holder is not None and "_content" in holder:  # an OmegaConf container keeps its entries there
        holder = _entries(holder["_content"])
    value = None if holder is None else holder.get(key)
    if isinstance(value, Inert):  # an OmegaConf node keeps its value there
        return vars(value).get("_val")
    return value


def _entries(holder: Any) -> Mapping[Any, Any] | None:
    if isinstance(holder, (Inert, argparse.Namespace)):
        return vars(holder)
    return holder if isinstance(holder, Mapping) else None
