"""Adds up sales: the revenue of each customer segment in each minute."""
