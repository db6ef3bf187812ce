"""The configuration document: parsed strictly, checked whole, turned into frozen settings."""
