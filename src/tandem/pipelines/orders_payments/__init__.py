"""Orders joined with their payments: one fact for each (order, payment) pair within the match window."""
