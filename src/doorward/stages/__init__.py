"""Checks on calls and replies: one small file each; its name is its config key."""
