"""A hundred thousand devices at a real broker and a real database: what is lost, how fast a case is there, what it costs."""
