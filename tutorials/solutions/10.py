"""Solutions of tutorial 10."""


def readings(last, k):
    return k, 2 * last - k, 2 * (last - k)


def memory_helped(error, restarted, gain, turn):
    return gain > 0 and turn >= 1 and error < restarted
