"""Keeps a library off the terminal."""


def silence() -> None:
    """Keep transformers' warnings and bars off the terminal: this project has its own."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
