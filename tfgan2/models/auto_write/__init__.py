"""auto-write, a generator of digits without captions."""
