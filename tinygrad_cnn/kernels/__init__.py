"""Arrays in, arrays out: the few operations worth more than one line of NumPy."""
