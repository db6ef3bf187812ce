"""The composition root: the only code that names concrete backends, one file for each thing that starts.

Nothing is imported here, so that starting one thing does not pay for the others.
"""
