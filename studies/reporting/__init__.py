"""Pages, tables and figures as text and files."""
