"""The official conformance suite, against our fixture directly and through Doorward (`make conformance`)."""
