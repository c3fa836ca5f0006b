"""Values of variables: from savers, by name, from what a loader runs."""
