"""Hypothesis profiles: ``fast`` for every run, ``thorough`` for `make check`."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("fast", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("RERANK_UNIFY_PROFILE", "fast"))
