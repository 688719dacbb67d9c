"""Time series: reading, windows, nets and the baselines they must beat. Nothing here knows of recipes."""
