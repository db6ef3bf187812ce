"""The demonstration: real servers, a real client, the real gateway. Imports nothing of Doorward's own."""
