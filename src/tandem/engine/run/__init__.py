"""The job, reconcile, and what controls and reports them."""
