"""What people see: the live list, cases, the officer's phone pages."""
