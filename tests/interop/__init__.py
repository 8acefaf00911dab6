"""The providers' official SDKs as oracles: what they send, what they accept, what they raise. Run by `make interop`.

Each talks to a real server on the loopback. A package, so that the tests can import what they share.
"""
