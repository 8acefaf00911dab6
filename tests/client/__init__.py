"""A real HTTP server on the loopback that plays by script, well or badly, and the tests that need one.

A package, so that the tests can import what they share.
"""
