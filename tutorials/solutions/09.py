"""Solutions of tutorial 9."""


def share(names, index, count):
    return names[index::count]


def missing(pairs, files):
    done = {tuple(name.split(".")[:2]) for name in files if name.endswith(".json")}
    return [pair for pair in pairs if pair not in done]
