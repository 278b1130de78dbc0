"""Measures the embedded profile: throughput, latency, start, recovery, idle cost, growth, beside limits and peers."""
