"""The parts of `make bench`: what is measured, who runs, what it cost, how it is told. Only the stdlib."""
