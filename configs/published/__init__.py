"""Settings of published attacks, to hold our numbers against theirs."""
