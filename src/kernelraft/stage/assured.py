"""Which verifier a stage opens, by who writes what it judges."""

from kernelraft.generator.chat import Paid
from kernelraft.verifier import SelfTested, Verifier


def assured(verifier: Verifier, generator: object) -> Verifier:
    """One that tries itself first where answers are paid for: misjudged ones would be too."""
    pays = isinstance(generator, Paid) and not generator.free
    return verifier.before_paying() if pays and isinstance(verifier, SelfTested) else verifier
