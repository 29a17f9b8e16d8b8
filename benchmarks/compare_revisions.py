"""Is this revision faster than that one? Both in one run, taking turns, on the same machine.

    python benchmarks/compare_revisions.py main HEAD
    python benchmarks/compare_revisions.py v0.1.0 HEAD --network nano --rules cut3r,ttt3r --rounds 10

Each revision is checked out into a folder of its own; its package is run by the Python that runs this script. In each round
every revision times the same frames once; printed are medians in milliseconds a frame and the ratio, with the smallest and
largest of a round.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ("cameras", "all", "chunk")


def worker(network: str, rules: str, rounds: int) -> None:
    """Answer every line on standard input with the milliseconds a frame of that setting; needs only the public names."""
    import torch

    import ttt3r

    torch.set_num_threads(1)
    model = ttt3r.load_network(network)
    contenders = {name: ttt3r.update_rules.RULES[name]() for name in rules.split(",")}
    height, width = (48, 64) if network in ("nano", "tiny-random") else (288, 512)
    count = 16 if height == 48 else 1
    frames = [torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(i)) * 2 - 1 for i in range(count)]
    for line in sys.stdin:
        setting = line.strip()
        outputs = ttt3r.Outputs.ALL if setting == "all" else ttt3r.Outputs.CAMERA
        started = time.perf_counter()
        with torch.no_grad():
            chunk = count if setting == "chunk" else 1
            for _ in ttt3r.rollout_rules(model, contenders, frames, outputs=outputs, chunk=chunk):
                pass
        print(1e3 * (time.perf_counter() - started) / count, flush=True)


def start(folder: Path, settings: argparse.Namespace) -> subprocess.Popen[str]:
    """A worker with the package of this folder."""
    words = [sys.executable, __file__, "--worker", "--network", settings.network, "--rules", settings.rules]
    place = os.environ | {"PYTHONPATH": str(folder), "TTT3R_TYPECHECK": "0"}
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=place, cwd=folder)


def ask(process: subprocess.Popen[str], setting: str) -> float:
    """One measurement."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(setting + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise SystemExit(f"a revision does not run: exit code {process.wait()}")
    return float(answer)


def main() -> None:
    """Check out, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revisions", nargs="*", default=["main", "HEAD"], help="two of git's names")
    parser.add_argument("--network", default="nano")
    parser.add_argument("--rules", default="ttt3r")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.worker:
        worker(settings.network, settings.rules, settings.rounds)
        return
    before, after = settings.revisions
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place) / "before", Path(place) / "after"]
        try:
            for folder, revision in zip(folders, (before, after), strict=True):
                subprocess.run(["git", "worktree", "add", "-q", "--detach", folder, revision], cwd=ROOT, check=True)
            processes = [start(folder, settings) for folder in folders]
            report(settings, before, after, processes)
        finally:
            for folder in folders:
                subprocess.run(["git", "worktree", "remove", "--force", folder], cwd=ROOT, check=False)


def report(settings: argparse.Namespace, before: str, after: str, processes: list[subprocess.Popen[str]]) -> None:
    """The table."""
    print(f"| {settings.network}, {settings.rules} | {before}, ms a frame | {after}, ms a frame | times faster |")
    print("|---|---|---|---|")
    for setting in SETTINGS:
        rounds = [[ask(process, setting) for process in processes] for _ in range(settings.rounds + 1)][1:]
        old, new = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratios = [a / b for a, b in rounds]
        print(
            f"| {setting} | {old:.2f} | {new:.2f} | {old / new:.2f} [{min(ratios):.2f}, {max(ratios):.2f}] |",
            flush=True,
        )
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


if __name__ == "__main__":
    main()
