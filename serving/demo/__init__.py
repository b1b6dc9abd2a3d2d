"""The page of a served model, and addresses that are pictures."""
