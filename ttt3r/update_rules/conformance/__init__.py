"""Does a rule do what the loop relies on: `check_rule`, its laws, and the streams that they are tried on."""
