"""From the results of an evaluation to what a scientist wants to know: which rule won, by how much, how sure, at what cost.

    report = write_report(units, "out/report")      # tables, figures, and one HTML page
    for verdict in report.verdicts: print(verdict.headline)

`writing` is the entry, `results` the noun that it starts from. The names for users are those of `ttt3r.evaluation`.
"""
