"""Sales added up: the revenue of each customer segment in each minute."""
