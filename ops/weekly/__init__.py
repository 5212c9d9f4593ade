"""The weekly report: figures of each business as a PDF to look at and as tables to count with."""
