"""A client for the suite's client scenarios, on the official Python SDK, and the same with Doorward in between."""
