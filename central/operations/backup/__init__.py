"""One file that holds the whole centre but its keys, and the way back from it."""
