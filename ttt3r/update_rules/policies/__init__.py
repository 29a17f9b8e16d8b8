"""Reset policies that look at the frame or the step, one file each; the contract is `ttt3r.update_rules.resets`."""
