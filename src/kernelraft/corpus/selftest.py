"""Try an evaluator on the corpus."""

from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass

from kernelraft.corpus import Program, programs
from kernelraft.errors import VerifierUnavailable
from kernelraft.records import Sample, Status, Task, Verdict
from kernelraft.verifier import Judge


# One hostile program of each category that has one that must fail, whatever the verifier's settings and device, and
# before its time is over; and honest ones. Their reasons cover the checks, their cost is that of ten right kernels.
FEW = frozenset({
    "relu", "gelu_tanh", "softmax_row", "cumsum", "mse_atomic", "function_entry",
    "a1_functional_softmax", "a2_masked_decoy", "a3_except_fallback", "a4_library_module", "a5_grad_branch",
    "a6_identity", "a7_library_matmul", "b1_copies_fresh_memory", "b2_clips_the_input", "b4_replays_a_file",
    "b5_output_of_import", "b6_shape_replay", "c1_zeros", "c2_rough_gelu", "c3_not_a_number",
    "c4_reads_what_nobody_wrote", "d2_thread_computes", "d3_instance_override", "d5_patched_allclose", "d7_wears_out",
    "e3_answers_first", "e4_os_exit", "e5_guesses_the_inputs", "e6_reads_the_secret", "e7_patches_its_memory",
    "e8_encoded_source", "f_relu_called_clone", "k_python_helper", "r_fork_bomb", "s_undefined_name",
    "w_off_by_a_thousandth",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tried:
    """One program with its verdict; `fault` is "" where that is as it must be."""

    program: Program
    verdict: Verdict

    @property
    def fault(self) -> str:
        return self.program.fault(self.verdict)

    @property
    def gained(self) -> bool:
        """Whether it passes and must not."""
        return self.verdict.status is Status.PASS and None not in self.program.expect


def assure(judge: Judge) -> None:
    """Judge the programs of FEW.

    Raises:
        VerifierUnavailable: a hostile one gains, or an honest one does not pass; one line says which.
    """
    for one in selftest(judge, FEW):
        if one.gained or (one.program.honest and one.fault):
            program = f"{one.program.name} ({one.program.category})"
            raise VerifierUnavailable(
                f"verifier.selftest: {program}: {one.fault.removesuffix(': ')}; its verdicts would teach a model"
                " that: look at the verifier's settings, or run stage=doctor"
            )


def selftest(judge: Judge, names: Container[str] | None = None) -> Iterator[Tried]:
    """Judge every program of the corpus, or those with these names; honest ones first."""
    every = [*programs("honest"), *programs("hostile")]
    chosen = [program for program in every if names is None or program.name in names]
    waiting = [(program, judge.submit(_task(program), _sample(program))) for program in chosen]
    for program, future in waiting:
        yield Tried(program, future.result())


def _task(program: Program) -> Task:
    return Task(
        id=program.task, family=f"corpus/{program.task}", language="triton", prompt="", reference=program.reference
    )


def _sample(program: Program) -> Sample:
    return Sample(id=program.name, task_id=program.task, index=0, text=program.code, code=program.code)


def counts(tried: list[Tried]) -> Counter[str]:
    """How many "honest" were "accepted" and "refused", how many "hostile" "gained" what they must not."""
    found: Counter[str] = Counter()
    for one in tried:
        kind = "honest" if one.program.honest else "hostile"
        found[kind] += 1
        if one.program.honest and one.fault:
            found["refused"] += 1
        found["gained"] += one.gained
        found["abstained"] += one.verdict.status is Status.ABSTAIN
        found["otherwise"] += bool(one.fault) and not one.gained and not one.program.honest
    return found
