"""Systems and their networks; each file can be read beside its paper."""
