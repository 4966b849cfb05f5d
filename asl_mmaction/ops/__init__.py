"""Array operations: arrays in, arrays out."""
