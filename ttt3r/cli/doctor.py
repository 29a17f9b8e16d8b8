"""Print what is installed, which device will be used, and how to install what is missing."""

import importlib.metadata
import importlib.util
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.markup import escape

from ttt3r import __version__
from ttt3r.cli.listing import show_list
from ttt3r.cli.options import Settings
from ttt3r.runner import choose_device

EXTRAS = {
    "av": ("video", "videos and webcams"),
    "huggingface_hub": ("hub", "ttt3r fetch"),
    "trimesh": ("export", "points.glb"),
    "matplotlib": ("eval", "pictures of trajectories and clouds"),
    "scipy": ("eval", "further metrics"),
    "viser": ("viewer", "ttt3r view"),
}
"""Module -> the extra that brings it, and what it is for."""


@dataclass(frozen=True, kw_only=True)
class DoctorSettings(Settings):
    """`ttt3r doctor` takes no arguments."""


def execute(settings: DoctorSettings, console: Console) -> int:
    """Run `ttt3r doctor`: 0 if the core works here, 1 if not."""
    console.print(f"ttt3r {__version__}", highlight=False)
    show_list(console, (*_facts(), *_extras()))
    problems = _problems()
    for problem in problems:
        console.print(f"[red]problem:[/] {escape(problem)}", highlight=False)
    return 1 if problems else 0


def _extras() -> Iterator[tuple[str, str]]:
    """The libraries of the extras: their versions, or how to get them."""
    for module, (extra, purpose) in EXTRAS.items():
        if importlib.util.find_spec(module) is None:
            yield module, f"missing: pip install 'ttt3r[{extra}]' for {purpose}"
        else:
            yield module, f"{importlib.metadata.version(module)} ({purpose})"


def _facts() -> list[tuple[str, str]]:
    device = choose_device("auto")
    memory = "-"
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        memory = f"{torch.cuda.get_device_name(device)}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    return [
        ("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        ("torch", f"{torch.__version__} (CUDA {torch.version.cuda or 'not built in'})"),
        ("device", f"{device} (what --device auto takes)"),
        ("GPU memory", memory),
        ("CPU threads", str(torch.get_num_threads())),
        ("free disk", f"{shutil.disk_usage('.').free / 2**30:.1f} GiB here"),
    ]


def _problems() -> list[str]:
    found = []
    if torch.cuda.is_available():
        major, minor = torch.cuda.get_device_capability()
        built = [int(arch.rpartition("_")[2]) for arch in torch.cuda.get_arch_list() if arch.startswith("sm_")]
        if built and min(built) > 10 * major + minor:
            found.append(
                f"this PyTorch has no code for the GPU (sm_{major}{minor}); install a build that has it, or use --device cpu"
            )
    if importlib.util.find_spec("torchvision") is not None:
        try:
            importlib.import_module("torchvision")
        except Exception as error:
            found.append(f"torchvision does not fit this torch and breaks lightning ({error}); reinstall or remove it")
    return found
