"""Commands that are no operations: they act on the machine or on the database as a whole."""
