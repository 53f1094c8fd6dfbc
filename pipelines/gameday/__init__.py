"""`make gameday`: simulated weeks through the real schedules and sensors."""
