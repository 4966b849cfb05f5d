"""What a file holds, as plain values: the ground floor, which knows nothing of the house."""
