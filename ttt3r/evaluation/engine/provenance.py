"""What a result cost, and on what it was made."""

import platform

import torch

from ttt3r._version import __version__
from ttt3r.data import Clip
from ttt3r.evaluation.engine.loop import Pass
from ttt3r.evaluation.engine.passes import ClipRecord
from ttt3r.evaluation.measures.cost import PASS_COSTS, peak_bytes
from ttt3r.evaluation.results.rows import FINDINGS
from ttt3r.files import escaped
from ttt3r.reconstructor import RecurrentNetwork, begin
from ttt3r.update_rules.rules.frozen import Frozen


def facts_of(network: RecurrentNetwork, done: Pass[ClipRecord]) -> dict[str, str]:
    """Versions, device, precision, and the rules that shared the pass: a batch of another size may round differently."""
    state = begin(network, Frozen(), 1).state
    device = torch.cuda.get_device_name(state.device) if state.device.type == "cuda" else platform.machine()
    return {
        "ttt3r": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": f"{state.device.type} ({device})",
        "precision": str(state.dtype).removeprefix("torch."),
        "tf32": str(torch.backends.cuda.matmul.allow_tf32),
        "pass": ", ".join(done.runs),
    }


def costs_of(done: Pass[ClipRecord]) -> dict[str, float]:
    """Seconds per frame by part, of the whole pass with all its rules, and the peak memory of the process in bytes."""
    frames, spent = max(1, done.available), done.seconds
    seconds = [part / frames for part in (spent.reading, spent.network, spent.measuring)]
    values = (*seconds, float(len(done.runs)), peak_memory())
    return {metric.name: value for metric, value in zip(PASS_COSTS, values, strict=True)}


def forget_peak_memory() -> None:
    """Start the count of GPU memory anew."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_memory() -> float:
    """Most memory that was in use, bytes: of the GPU if there is one, else of the process since it began."""
    return peak_bytes(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def findings_of(clip: Clip) -> dict[str, str]:
    """What the source of a sequence had to say, one finding a line."""
    lines = dict.fromkeys(escaped(" ".join(str(finding).split())) for finding in clip.findings)
    return {FINDINGS: "\n".join(lines)} if lines else {}
