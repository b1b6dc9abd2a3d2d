"""The file formats that published data sets come in; each reader builds plain data only."""
