"""Adapters for frameworks: thin classes over `Client` and `AsyncClient`, with a module and an extra per framework."""
