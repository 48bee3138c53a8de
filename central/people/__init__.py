"""Who may come in, what each role may do, and logging in."""
