"""The parts of `tests/sdk/run`; standard library only."""
