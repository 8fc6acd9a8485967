from random import Random

import pytest

from kernelraft.answer import Answer, extract

KERNEL = "class ModelNew:\n    pass\n"


def test_extract_reads_the_tag_of_the_seed_format():
    text = f"<think>\nrow kernel\nsoftmax\n</think>\n<triton>\n{KERNEL}</triton>"
    assert extract(text) == Answer("row kernel\nsoftmax", KERNEL)


def test_extract_takes_the_last_complete_tag():
    text = "<triton>\nfirst\n</triton> better: <triton>\nsecond\n</triton> or <triton>\nthird"
    assert extract(text).code == "second\n"


def test_extract_finds_nothing_in_an_unterminated_tag():
    assert extract(f"<triton>\n{KERNEL}").code == ""
    assert extract(f"<triton>\n```python\n{KERNEL}```\n").code == ""


def test_extract_does_not_take_a_draft_from_the_reasoning():
    draft = f"<triton>\n{KERNEL}</triton>"
    assert extract(f"<think>{draft}</think>I give up.").code == ""
    assert extract(f"<think>{draft}").code == ""
    assert extract("<think>use <triton> tags</think><triton>\nx = 1\n</triton>").code == "x = 1\n"


def test_extract_accepts_reasoning_whose_opening_tag_is_in_the_template():
    assert extract(f"a plan\n</think>\n<triton>\n{KERNEL}</triton>") == Answer("a plan", KERNEL)


def test_extract_looks_into_a_fence_inside_the_tag():
    assert extract(f"<triton>\n```python\n{KERNEL}```\n</triton>").code == KERNEL


@pytest.mark.parametrize("language", ["python", "triton", "", "Python"])
def test_extract_reads_a_fence(language: str):
    assert extract(f"Here it is:\n```{language}\n{KERNEL}```\nDone.").code == KERNEL


def test_extract_takes_the_last_fence_with_an_entry_class():
    long = "x = 1\n" * 50
    text = f"```python\n{KERNEL}# old\n```\n```\n{KERNEL}# new\n```\n```python\n{long}```\n"
    assert extract(text).code == f"{KERNEL}# new\n"


def test_extract_takes_the_longest_fence_when_none_has_an_entry_class():
    assert extract("```python\na = 1\nb = 2\n```\n```\nc = 3\n```\n").code == "a = 1\nb = 2\n"


def test_extract_passes_over_other_languages_and_open_fences():
    assert extract("```bash\npip install a very long list of packages\n```\n```\nx = 1\n```").code == "x = 1\n"
    assert extract(f"```python\n{KERNEL}").code == ""


def test_extract_takes_raw_code_only_when_all_of_it_parses():
    assert extract(KERNEL).code.strip() == KERNEL.strip()
    assert extract(f"Sure!\n{KERNEL}").code == ""
    assert extract("class Other:\n    pass\n").code == ""
    assert extract(KERNEL + "x = '\\d'\n").code != ""


def test_extract_keeps_line_ends_and_unicode():
    code = "class ModelNew:\r\n    s = 'π\u2028'\r\n"
    assert extract(f"<triton>\r\n{code}</triton>").code == code
    assert extract(f"```python\r\n{code}```\r\n").code == code


def test_extract_gives_a_piece_of_any_text():
    pieces = ["<think>", "</think>", "<triton>", "</triton>", "```", "```python\n", "```bash", "\n", "\r\n"]
    pieces += [KERNEL, "x = 1", "  ", "π", "class New", "\x00", "\u2028", "<", ">"]
    random = Random(0)
    found = 0
    for _ in range(3000):
        text = "".join(random.choices(pieces, k=random.randint(0, 12)))
        answer = extract(text)
        assert answer.code in text
        assert answer.reasoning in text
        found += answer.code != ""
    assert found > 50
