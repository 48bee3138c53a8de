"""What happens to cases, told to other systems with a signature."""
