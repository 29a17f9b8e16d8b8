"""The rules: one file each, named as its paper names it. `ttt3r.update_rules.RULES` lists them."""
