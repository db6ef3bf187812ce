"""The composition root: the only code that names concrete backends. One file for each thing that can be started.

Nothing is imported here, so that starting one thing does not pay for the others.
"""
