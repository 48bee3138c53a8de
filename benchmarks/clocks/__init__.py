"""Working time: due dates against a walk from minute to minute, and their speed."""

__all__: list[str] = []
