"""Adapters in real pipelines of their frameworks: ``make interop-full``."""
