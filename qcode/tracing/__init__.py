"""Spans and metrics of what happens, by OpenTelemetry's conventions for generative AI.

A consumer of events like any other; off unless a person turns it on, and no library of
OpenTelemetry's is loaded before.
"""
