"""Keeps a library off the terminal."""


def silence() -> None:
    """Keep transformers' warnings and bars off the terminal: this project has its own."""
    from huggingface_hub.utils.tqdm import enable_progress_bars
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    enable_progress_bars()  # the hub's, of downloads, which transformers switches off with its own
