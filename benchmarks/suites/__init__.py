"""Benchmarks in the layout of asv, and the settings that every script in benchmarks/ shares."""
