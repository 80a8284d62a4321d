"""What is known about searches: a row for each, written off their way, and what can be read from many of them."""
