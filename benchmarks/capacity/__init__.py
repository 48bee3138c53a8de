"""How many cameras one core watches, what that costs, and what nobody can do without."""
