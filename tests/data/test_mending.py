import ast
import subprocess
import sys

import pytest

from kernelraft.data.mending import mended
from kernelraft.data.module import Module
from tests.conftest import task

BOOK = """import torch
import torch.nn as nn


class Lookup(nn.Module):
    def __init__(self, words, width=4):
        super().__init__()
        self.table = nn.Embedding(words, width)

    def forward(self, index, scale):
        return self.table(index) * scale


def get_inputs():
    return [torch.rand([4, 4]), torch.rand([4])]


def get_init_inputs():
    return [[], {'words': 7}]
"""
PLAIN = BOOK.replace("torch.rand([4, 4])", "torch.randint(0, 7, [4, 4])")


def of(reference, prompt="Rewrite this:\n{}\nThank you."):
    return task(1, reference=reference, prompt=prompt.format(reference.strip()), answer=None)


def run(source):
    """A child process runs the module once: the reference of a test is code that is written here."""
    call = "\nargs, kwargs = get_init_inputs()\nprint(Lookup(*args, **kwargs)(*get_inputs()).shape)\n"
    return subprocess.run([sys.executable, "-c", source + call], capture_output=True, text=True, check=False)


def test_what_is_right_stays_the_very_same_task():
    assert mended(of(PLAIN)) == of(PLAIN)


def test_floats_for_an_embedding_become_indices_that_it_holds():
    assert run(BOOK).returncode != 0
    found = mended(of(BOOK))
    assert found.reference == PLAIN and run(found.reference).returncode == 0
    assert found.fixes == ("input 1 of forward is an embedding's index: integers from 0 to 6, not floats",)


def test_the_model_is_shown_the_mended_module_and_what_was_mended():
    found = mended(of(BOOK))
    assert PLAIN.strip() in found.prompt and BOOK.strip() not in found.prompt
    assert f"- {found.fixes[0]}" in found.prompt and found.id == of(BOOK).id


def test_a_prompt_without_the_module_gets_it():
    found = mended(of(BOOK, "Write a lookup."))
    assert found.prompt.startswith("Write a lookup.") and PLAIN.strip() in found.prompt


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("nn.init.uniform_(self.w, 0.1)", "nn.init.uniform_(self.w, -0.1, 0.1)"),
        ("self.w.data.uniform_(1 / k)", "self.w.data.uniform_(-(1 / k), 1 / k)"),
        ("nn.init.uniform_(self.w, -s)", "nn.init.uniform_(self.w, -s, s)"),
        ("nn.init.uniform_(self.w, -s, s)", "nn.init.uniform_(self.w, -s, s)"),
        ("nn.init.uniform_(self.w)", "nn.init.uniform_(self.w)"),
        ("self.w = torch.ones(3).cuda()", "self.w = torch.ones(3)"),
        ("self.w = torch.ones(3, device='cuda:0')", "self.w = torch.ones(3)"),
        ("self.w = torch.ones(3).to('cuda') + 1", "self.w = torch.ones(3) + 1"),
        ("self.w = torch.ones(3).to('cpu')", "self.w = torch.ones(3).to('cpu')"),
        ("é = 'ü'; self.w = (é, torch.ones(3).cuda())", "é = 'ü'; self.w = (é, torch.ones(3))"),
    ],
)
def test_bounds_and_places(before, after):
    source = PLAIN.replace("        self.table", f"        {before}\n        self.table")
    found = mended(of(source))
    assert f"        {after}\n" in found.reference
    assert bool(found.fixes) == (before != after)
    assert mended(found) == found


def test_arguments_that_the_constructor_does_not_take_are_left_out():
    source = PLAIN.replace("{'words': 7}", "{'words': 7, 'config': _mock(), 'depth': 2}")
    found = mended(of(source))
    assert found.reference == PLAIN
    assert found.fixes == ("get_init_inputs gives no config, depth, which the constructor of Lookup does not take",)
    taken = source.replace("width=4)", "width=4, **more)")
    assert mended(of(taken)).fixes == ()


@pytest.mark.parametrize("source", ["def broken(:", "", "x = 1", BOOK.replace("words, width)", "len(v), width)")])
def test_what_cannot_be_told_from_the_source_is_left_alone(source):
    assert mended(of(source)).reference == source


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("class A(nn.Module): pass\nclass B(nn.Module): pass", "B"),
        ("class Model(nn.Module): pass\nclass B(nn.Module): pass", "Model"),
        ("class A(nn.Module): pass\nclass B(nn.Module): pass\nModel = A", "A"),
    ],
)
def test_the_module_is_the_one_that_the_judge_takes(source, name):
    assert Module(source, ast.parse(source)).name == name
