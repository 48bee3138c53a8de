"""The `patrol` command: finds each group's house only when it is called, so that the agent never loads Django."""
