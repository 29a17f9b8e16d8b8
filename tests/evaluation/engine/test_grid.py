"""Grids of settings, and shares of the work."""

import os

import pytest

from ttt3r.evaluation.engine.grid import Axis, contenders, expand
from ttt3r.evaluation.engine.sharding import Shard, launched_processes
from ttt3r.update_rules import ConstantRate, FullOverwrite, LearnedToken, RuleLabel
from ttt3r.update_rules.resets import Every, Never

labels = RuleLabel.parse_list


def axes(*texts):
    return [Axis.parse(text) for text in texts]


def test_a_grid_is_every_combination_for_the_rules_that_have_the_setting():
    items = labels("cut3r,constant,constant:rate=0.9,norm_restored,constant@8")
    assert [str(label) for label in expand(items, axes("rule.rate=0.1,0.2"))] == [
        *("cut3r", "constant:rate=0.1", "constant:rate=0.2", "constant:rate=0.9", "norm_restored"),
        *("constant:rate=0.1@8", "constant:rate=0.2@8"),
    ]
    assert expand(labels("constant"), axes("constant.rate=0.1")) == labels("constant:rate=0.1")


def test_an_axis_over_paths_with_commas(tmp_path):
    paths = [tmp_path / "a,b@2.safetensors", tmp_path / "c:d.safetensors"]
    for seed, path in enumerate(paths):
        LearnedToken(channel=8, seed=seed).save(path)
    found = contenders(labels("learned_token"), axes(f"rule.weights='{paths[0]}',{paths[1]}"))
    assert [vars(one.rule)["weights"] for one in found] == [str(path) for path in paths]
    assert [RuleLabel.parse(one.label).settings for one in found] == [(("weights", str(path)),) for path in paths]


def test_contenders_carry_labels_rules_and_resets():
    found = contenders(labels("cut3r,constant"), axes("rule.rate=0.1,0.2", "reset=50,never"))
    assert [(one.label, one.rule, one.reset) for one in found] == [
        ("cut3r@50", FullOverwrite(), Every(50)),
        ("cut3r@never", FullOverwrite(), Never()),
        ("constant:rate=0.1@50", ConstantRate(0.1), Every(50)),
        ("constant:rate=0.1@never", ConstantRate(0.1), Never()),
        ("constant:rate=0.2@50", ConstantRate(0.2), Every(50)),
        ("constant:rate=0.2@never", ConstantRate(0.2), Never()),
    ]


def test_a_label_with_a_reset_of_its_own():
    found = contenders(labels("cut3r,cut3r@100"), [])
    assert [(one.label, one.reset) for one in found] == [("cut3r", None), ("cut3r@100", Every(100))]
    with pytest.raises(ValueError, match="a reset of its own"):
        contenders(labels("cut3r@100"), axes("reset=50,never"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rate=0.1", "a grid is written"),
        ("rule.rate", "a grid is written"),
        ("rule.rate=", "a grid is written"),
        ("rule.rate=0.1,0.1", "twice"),
    ],
)
def test_what_is_no_axis_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        Axis.parse(text)


def test_an_axis_that_concerns_no_rule_is_refused():
    with pytest.raises(ValueError, match="none of the rules cut3r leaves a setting of that name open"):
        expand(labels("cut3r"), axes("rule.rate=0.1"))
    with pytest.raises(ValueError, match="neither a number of frames nor never"):
        contenders(labels("cut3r"), axes("reset=often"))


@pytest.mark.parametrize("total", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_shares_are_a_partition(total, count):
    items = list(range(total))
    shares = [Shard(index, count).of(items) for index in range(count)]
    assert sorted(item for share in shares for item in share) == items
    nested = [
        Shard(i, 2).within(outer).of(items) for outer in map(Shard, range(count), [count] * count) for i in (0, 1)
    ]
    assert sorted(item for share in nested for item in share) == items
    for i in (0, 1):
        assert Shard(i, 2).within(Shard(0, count)).of(items) == Shard(i, 2).of(Shard(0, count).of(items))


@pytest.mark.parametrize("text", ["2/2", "1", "a/b", "-1/2", "0/0"])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(ValueError, match="share"):
        Shard.parse(text)


TORCHRUN = {"TORCHELASTIC_RUN_ID": "1", "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}
SLURM = {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_JOB_ID": "1", "SLURM_NTASKS": "8"}
SLURM |= {"SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "4", "SLURM_JOB_NAME": "sweep"}


@pytest.mark.parametrize(
    ("environment", "count", "on_each"),
    [
        ({}, 1, 1),
        (TORCHRUN, 8, 4),
        ({"LOCAL_RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}, 2, 2),
        (SLURM, 8, 2),
        (SLURM | {"SLURM_JOB_NAME": "bash"}, 1, 1),  # an interactive job is no launcher
        ({"SLURM_JOB_ID": "1", "SLURM_JOB_NAME": "sweep"}, 1, 1),  # a batch script without srun
    ],
)
def test_launchers_are_recognised_by_their_environment(environment, count, on_each, monkeypatch):
    from ttt3r.evaluation.engine.distributed import Processes

    for name in [name for name in os.environ if name.startswith(("SLURM_", "TORCHELASTIC_", "LOCAL_", "WORLD_"))]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launched_processes() == count
    if environment.get("SLURM_JOB_NAME") != "bash":
        assert Processes.launched("cpu") == Processes("cpu", on_each, count // on_each)
