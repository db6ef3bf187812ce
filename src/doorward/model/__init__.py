"""Frozen values that every part of Doorward speaks about. Imports nothing of ours, touches no I/O."""
