"""Work: tasks, and the queues that hand them out."""
