"""Rules by name: the registry, labels such as `ttt3r@8`, and what older releases wrote in their place."""
