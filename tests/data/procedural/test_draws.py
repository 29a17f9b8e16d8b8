"""Random numbers: a published generator, independence of what else is drawn, even spread."""

import torch

from ttt3r.data.procedural.draws import Draws, _hash


def test_it_is_the_published_splitmix64():
    """The first outputs of SplitMix64 for the seed 1234567, as its authors' C code prints them."""
    wanted = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    odd = 0x9E3779B97F4A7C15
    states = [(1234567 + step * odd) % 2**64 for step in range(4)]
    signed = torch.tensor([state - 2**64 if state >= 2**63 else state for state in states])
    assert [value % 2**64 for value in _hash(signed).tolist()] == wanted


def test_an_item_draws_the_same_in_any_batch_and_after_any_other_draw():
    many, few = Draws.of(7, 0, 8), Draws.of(7, 3, 2)
    assert torch.equal(many("size").uniform(shape=(5,))[3:5], few("size").uniform(shape=(5,)))
    many("something else").uniform(shape=(100,))
    assert torch.equal(many("size").uniform(shape=(5,))[3:5], few("size").uniform(shape=(5,)))
    assert torch.equal(many("size").uniform(shape=(9,))[:, :5], many("size").uniform(shape=(5,)))
    assert torch.equal(many.at(torch.tensor([6, 2]))("a").uniform(), many("a").uniform()[[6, 2]])


def test_seeds_items_and_names_differ():
    values = torch.cat([Draws.of(seed, 0, 50)(name).uniform() for seed in range(20) for name in "abc"])
    assert len(values.unique()) == len(values)


def test_numbers_are_spread_evenly():
    values = Draws.of(0, 0, 100).uniform(-1, 3, (1000,)).flatten()
    assert -1 <= values.min() < values.max() < 3
    share = torch.histc(values.float(), 20, -1, 3) / len(values)
    assert (share - 0.05).abs().max() < 5 * (0.05 / len(values)) ** 0.5
    pairs = Draws.of(0, 0, 1000)
    assert torch.corrcoef(torch.stack([pairs("a").uniform(), pairs("b").uniform()]))[0, 1].abs() < 0.1


def test_whole_numbers_and_choices():
    draws = Draws.of(1, 0, 10_000)
    assert draws.integer(2, 4).unique().tolist() == [2, 3, 4]
    chosen = draws("c").choice((1.0, 0.0, 3.0)).bincount(minlength=3) / 10_000
    assert chosen[1] == 0
    assert abs(chosen[0] - 0.25) < 0.02
