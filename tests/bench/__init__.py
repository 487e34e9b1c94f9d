"""`make bench`: measurements of this machine, each beside a bare limit measured in the same run."""
