"""The web page of a served model, and URLs that return pictures."""
