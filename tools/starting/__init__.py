"""From a folder of captioned images to an export: a look at the folder, a choice, the phases."""
