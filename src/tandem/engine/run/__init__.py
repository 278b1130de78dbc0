"""The job, reconcile and replay, and what controls and reports them."""
