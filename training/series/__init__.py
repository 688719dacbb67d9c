"""Time series: reading, windows, nets and the baselines they must beat. Only `opening` knows of recipes."""
