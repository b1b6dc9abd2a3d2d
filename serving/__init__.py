"""Everything that runs behind an exported model; it knows the SavedModel and nothing else."""
