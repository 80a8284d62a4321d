"""The doors: loops over the operations; none names a subsystem."""
