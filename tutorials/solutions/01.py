"""Solutions of tutorial 1."""

import ttt3r


def share_left(g, n):
    return (1 - g) ** n


def without_a_trace(images):
    return (ttt3r.Frame(image, write=index != 2) for index, image in enumerate(images))
