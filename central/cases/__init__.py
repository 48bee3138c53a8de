"""The case engine: cases, work orders, evidence, append-only history."""
