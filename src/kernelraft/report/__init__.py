"""A run's folder as tables on the terminal and as one self-contained page: folder -> facts -> tables, page."""
