"""Solutions of tutorial 4."""

from ttt3r.update_rules import ConstantRate


def age_after(index, every):
    frames = index + 1
    return frames if frames < every else frames % every + 1


def fair_control(summary):
    return ConstantRate(summary.gain_mean)
