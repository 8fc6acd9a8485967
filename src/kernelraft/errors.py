"""Errors that a user can cause and fix; anything else is a bug and keeps its traceback.

Each is one line: what was expected, what was found, what to do. run.py prints
that line and exits with 2.
"""


def first_line(error: BaseException) -> str:
    """What another's error says, without the lines below it."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


class KernelraftError(Exception):
    """Base: its message is the one line that the user reads."""


class ConfigError(KernelraftError):
    """The composed config cannot be built."""


class RunConflict(KernelraftError):  # noqa: N818  a state of the folder, named as users speak of it
    """The run's folder was made by another config, or is in use by another process."""


class StageError(KernelraftError):
    """A stage cannot go on with what it was given."""


class DataError(KernelraftError):
    """A file or data set is not there or not of the expected form."""


class ModelUnavailable(KernelraftError):  # noqa: N818
    """Weights or a tokenizer cannot be had: not on this machine, private, or no network."""


class VerifierUnavailable(KernelraftError):  # noqa: N818
    """This machine lacks what a verifier needs, too many verdicts are ABSTAIN, or it misjudges known programs."""


class GeneratorUnavailable(KernelraftError):  # noqa: N818
    """No request can be answered: the key is missing or wrong, the model unknown, the server out of reach."""


class Refused(KernelraftError):  # noqa: N818
    """One request can never be answered, as its prompt is too long or malformed; others can."""


class BudgetSpent(KernelraftError):  # noqa: N818
    """The next call could cost more than is left; the same command with a higher budget continues."""
