"""An evaluation as an array of jobs of a cluster's scheduler, by submitit."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ttt3r.cli.options import Settings


@dataclass(frozen=True, kw_only=True)
class Jobs(Settings):
    """How the work is distributed.

    Args:
        count: jobs in the array, each with its share of the sequences; 0 runs here.
        cluster: slurm, local (processes of this machine) or debug (one after the other, here); empty finds out.
        minutes: time limit of a job; what is missing after it is done by submitting again.
        partition: of SLURM; empty for the default.
        gpus: of each job.
        cpus: of each job.

    Raises:
        ValueError: for a negative count.
    """

    count: int = 0
    cluster: str = ""
    minutes: int = 240
    partition: str = ""
    gpus: int = 0
    cpus: int = 2

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"jobs.count must be 0 (run here) or the number of jobs, got {self.count}")


def submit(jobs: Jobs, experiment: Path, out: Path, console: Console) -> int:
    """Submit one job for each share; their logs go to `OUT/jobs`.

    Raises:
        ImportError: if submitit is not installed.
    """
    try:
        import submitit
    except ImportError as error:
        raise ImportError(
            "--jobs needs submitit: pip install 'ttt3r[cluster]'; or run each --shard i/n yourself"
        ) from error
    executor = submitit.AutoExecutor(folder=out / "jobs", cluster=jobs.cluster or None)
    executor.update_parameters(
        name="ttt3r", timeout_min=jobs.minutes, gpus_per_node=jobs.gpus, cpus_per_task=jobs.cpus, tasks_per_node=1
    )
    if jobs.partition:
        executor.update_parameters(slurm_partition=jobs.partition)
    shares = [f"{index}/{jobs.count}" for index in range(jobs.count)]
    sent = executor.map_array(run_share, [str(experiment)] * len(shares), [str(out)] * len(shares), shares)
    if jobs.cluster == "debug":
        for job in sent:
            job.result()
    console.print(
        f"{len(sent)} jobs, logs in [bold]{out / 'jobs'}[/]: {', '.join(job.job_id for job in sent)}", highlight=False
    )
    console.print(f"when they are done: ttt3r evaluate --aggregate {out}", highlight=False)
    return 0


def run_share(experiment: str, out: str, shard: str) -> None:
    """What a job does: the saved experiment, one share of it.

    Raises:
        RuntimeError: if the command fails, so that the scheduler knows.
    """
    words = ["evaluate", "--config", experiment, "--out", out, "--shard", shard]
    code = subprocess.run([sys.executable, "-m", "ttt3r", *words]).returncode
    if code:
        raise RuntimeError(f"share {shard} of {experiment} ended with exit code {code}; its log says why")
