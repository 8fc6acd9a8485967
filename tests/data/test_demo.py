import os
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from kernelraft.answer import extract
from kernelraft.data import Tasks
from kernelraft.data.demo import Demo
from kernelraft.data.demo.operations import OPERATIONS
from kernelraft.data.demo.soundness import well_posed
from kernelraft.data.demo.spec import Spec, Step
from kernelraft.errors import ConfigError, DataError
from kernelraft.records import Task

ROOT = Path(__file__).parents[2]
WEIGHTS = {"ew": 3, "ew2": 2, "affine": 2, "red": 3, "norm": 3, "mm": 1}


def demo(**changes: object) -> Demo:
    few = {"seed": 0, "seed_tasks": 30, "pool_tasks": 50, "heldout_tasks": 20}
    return Demo(**few | {"weights": WEIGHTS, "chain_steps": 4, "side_steps": 2} | changes)


def spec(*names: str, kind: str = "ew", shape: tuple[int, ...] = (4, 33)) -> Spec:
    steps = []
    for name in names:
        word, *constants = name.split()
        steps.append(Step(word, tuple(constants)))
    return Spec(kind, tuple(steps), shape)


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return list(demo().tasks())


def python(code: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")} | environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_demo_holds_tasks():
    assert isinstance(demo(), Tasks)


def test_demo_loads_no_torch_when_imported():
    code = "import sys, kernelraft.data.demo; print('torch' in sys.modules, 'triton' in sys.modules)"
    assert python(code) == "False False"


def test_demo_yields_as_many_tasks_a_split_as_asked(tasks: list[Task]):
    assert Counter(task.split for task in tasks) == {"heldout": 20, "seed": 30, "pool": 50}


def test_demo_yields_the_same_tasks_in_another_process(tasks: list[Task]):
    code = (
        "from kernelraft.data.demo import Demo\n"
        f"weights = {WEIGHTS}\n"
        "demo = Demo(seed=0, seed_tasks=30, pool_tasks=0, heldout_tasks=20, weights=weights,\n"
        "            chain_steps=4, side_steps=2)\n"
        "print(*(task.id for task in demo.tasks()))"
    )
    want = [task.id for task in tasks if task.split != "pool"]
    assert python(code, PYTHONHASHSEED="7").split() == want


def test_demo_leaves_torch_as_it_was():
    import torch

    torch.manual_seed(3)
    before = torch.get_rng_state(), torch.get_num_threads()
    list(demo(seed=9, seed_tasks=5, pool_tasks=0, heldout_tasks=0).tasks())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]


def test_demo_never_repeats_a_family(tasks: list[Task]):
    splits = defaultdict(set)
    for task in tasks:
        splits[task.family].add(task.split)
    assert len(splits) == len({task.id for task in tasks}) == len(tasks)
    assert all(len(found) == 1 for found in splits.values())


def test_demo_keeps_the_other_splits_when_the_pool_grows(tasks: list[Task]):
    smaller = list(demo(pool_tasks=10).tasks())
    assert smaller == tasks[: len(smaller)]


def test_demo_follows_its_seed_and_weights(tasks: list[Task]):
    other = list(demo(seed=1).tasks())
    assert not {task.id for task in other} & {task.id for task in tasks}
    only = list(demo(weights={"mm": 1}, seed_tasks=5, pool_tasks=0, heldout_tasks=0).tasks())
    assert {task.kind for task in only} == {"mm"}
    assert {task.kind for task in tasks} == set(WEIGHTS)


def test_demo_names_families_by_kind_and_composition(tasks: list[Task]):
    for task in tasks:
        kind, _, chain = task.family.partition("/")
        names = chain.split(">")
        assert kind in WEIGHTS
        assert set(names) <= set(OPERATIONS)
        plan = extract(task.answer or "").reasoning.splitlines()
        assert [line.split()[0] for line in plan[1:]] == names


def test_demo_answers_with_a_module_of_one_kernel(tasks: list[Task]):
    for task in tasks:
        code = extract(task.answer or "").code
        assert code.count("@triton.jit") == code.count("class ModelNew(nn.Module)") == 1
        assert task.answer == f"<think>\n{extract(task.answer).reasoning}\n</think>\n<triton>\n{code}</triton>"
        assert task.prompt == task.reference
        assert task.language == "triton"


ANSWERS_ARE_RIGHT = """
import linecache, sys, torch
from kernelraft.answer import extract
from kernelraft.records import Task
from kernelraft.store import read
from pathlib import Path

def module(source, name):
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    names = {"__name__": name}
    exec(compile(source, name, "exec"), names)
    return names

torch.set_num_threads(1)
for task in read(Task, Path(sys.argv[1])):
    problem = module(task.reference, f"<{task.id}>")
    answer = module(extract(task.answer).code, f"<{task.id}-new>")
    for seed in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = problem["Model"](*problem["get_init_inputs"]())
            torch.manual_seed(seed)
            new = answer["ModelNew"](*problem["get_init_inputs"]())
            inputs = problem["get_inputs"]()
        with torch.no_grad():
            want, got = model(*inputs), new(*inputs)
        assert got.shape == want.shape and got.dtype == want.dtype, task.family
        allowed = 1e-4 * want.square().mean().sqrt() + 1e-4 * want.abs()
        assert ((got - want).abs() <= 0.2 * allowed).all(), task.family
"""


def test_demo_answers_are_right_with_margin(tasks: list[Task], tmp_path: Path):
    from kernelraft.store import write

    write(tmp_path / "tasks.jsonl", tasks)
    python(ANSWERS_ARE_RIGHT, str(tmp_path / "tasks.jsonl"), TRITON_INTERPRET="1")


@pytest.mark.parametrize(
    "bad",
    [
        spec("abs", "square"),  # abs changes nothing
        spec("relu", "minc 1.9", "clamp 0.5 1.9"),  # the second limit changes nothing
        spec("sub 3.9", "relu", "square"),  # zero almost everywhere
        spec("exp", "square", "exp"),  # too large
        spec("sub 2.9", "scale", "sum", "gelu", kind="red"),  # vanishes for some scales
        spec("sigmoid", "center", "sum", kind="red"),  # nothing but rounding
        spec("softmax", "sum", kind="red"),  # a constant
        spec("sigmoid", "sigmoid", "add 3.9"),  # nearly a constant
    ],
    ids=lambda bad: bad.family,
)
def test_well_posed_refuses(bad: Spec):
    assert not well_posed(bad)


@pytest.mark.parametrize(
    "good",
    [
        spec("softmax", "scale", kind="norm"),
        spec("mul 1.3", "addy", "relu", kind="ew2"),
        spec("matmul", "bias", "gelu", kind="mm", shape=(8, 16, 12)),
    ],
    ids=lambda good: good.family,
)
def test_well_posed_accepts(good: Spec):
    assert well_posed(good)


def test_demo_says_when_there_are_not_so_many_problems():
    with pytest.raises(DataError, match=r"expected 500 different problems, found \d+: ask for fewer"):
        list(demo(weights={"affine": 1}, side_steps=0, pool_tasks=450).tasks())


def test_demo_refuses_weights_that_are_all_zero():
    with pytest.raises(ConfigError, match="weights"):
        demo(weights={"ew": 0})
