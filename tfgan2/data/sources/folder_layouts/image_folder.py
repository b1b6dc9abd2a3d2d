"""ImageFolder of Hugging Face: metadata.csv, metadata.jsonl or metadata.parquet."""

from tfgan2.data.sources.folder_layouts import Layout, named, table_entries

LAYOUT = Layout(
    title="Hugging Face's ImageFolder",
    example="metadata.csv, .jsonl or .parquet: file_name and text (--caption_column)",
    tables=lambda tree, options: named(tree, "metadata"),
    entries=table_entries,
)
