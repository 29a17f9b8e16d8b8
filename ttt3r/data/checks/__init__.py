"""What is wrong with the files of a sequence: found, named, and taken out before anything is computed."""
