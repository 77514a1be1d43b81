"""YAML that people write is read within a second, or refused in one line that quotes no secret."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from customer_segmentation import plain_yaml
from customer_segmentation.activation.destinations import DestinationError, read_destinations
from customer_segmentation.output.last_build import NoBuildError, vars_of
from customer_segmentation.output.trial import TrialError, try_rule
from customer_segmentation.plain_yaml import DEEPEST, MOST_VALUES, YamlTextError, read_yaml
from customer_segmentation.serving.errors import ServeError
from customer_segmentation.serving.readers import read_readers

pytestmark = pytest.mark.check("attack")

SECRET = "correct-horse-battery"


def laughs(levels: int, first: str = "[l, l]", each: str = "[{}]") -> str:
    """Ten times as many values with each level."""
    lines = [f"a0: &a0 {first}"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} {each.format(', '.join([f'*a{level - 1}'] * 10))}")
    return "\n".join(lines)


# text -> words of the refusal.
HOSTILE = {
    "billions of laughs": (laughs(10), "line 6: more than 100,000 values"),
    "billions of merged keys": (laughs(10, "{k: 1}", "{{<<: [{}]}}"), "more than 100,000 values"),
    "an alias of what it is in": ("x: &x [*x]", "line 1: an alias of what it is in"),
    "thousands of brackets": ("x: " + "[" * 5_000, f"line 1: values nested more than {DEEPEST}"),
    "thousands of levels": (
        "\n".join(f"{' ' * level}x:" for level in range(1_000)),
        f"line {DEEPEST + 1}: values nested more than {DEEPEST}",
    ),
    "a long list": ("x: [" + "1," * (MOST_VALUES + 1) + "]", "more than 100,000 values"),
    "a long word": (f"x: {'y' * 1_000_001}", "has 1,000,004 characters"),
    "a number of thousands of digits": (f"x: {'9' * 5_000}", "a date, a number or a tag"),
    "no such day": ("x: 2024-13-45", "a date, a number or a tag"),
    "a call": ("x: !!python/object/apply:os.system [id]", "line 1, column 4: could not determine"),
    "an end of the text": ("x: \0", "a character of it is not allowed"),
    "a key that is a list": ("? [a]\n: b", "line 1, column 3: found unhashable key"),
    "a quote that is never closed": (f'x: "{SECRET}\ny: 1', "line 2, column 5: found unexpected"),
    "a secret as an alias": (f"x: *{SECRET}", "line 1, column 4: found undefined alias"),
    "a secret as a tag": (f"x: !{SECRET} y", "line 1, column 4: could not determine"),
    "a secret as a handle": (f"x: !{SECRET}! y", "line 1, column 27"),
    "a secret as a truth": (f"x: !!bool {SECRET}", "a date, a number or a tag"),
    "a secret as a time": (f"x: !!timestamp {SECRET}", "a date, a number or a tag"),
    "nothing as a number": ("x: !!int ''", "a date, a number or a tag"),
    "an endless base 60": (f"x: {'1:' * 200}1.5", "a date, a number or a tag"),
    "a secret as an escape": (f'x: "\\{SECRET}"', "line 1, column 5: found unknown escape"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_refused_at_once_in_one_line(name: str) -> None:
    text, expected = HOSTILE[name]
    began = time.process_time()
    with pytest.raises(YamlTextError) as refusal:
        read_yaml(text)
    assert time.process_time() - began < 5
    said = str(refusal.value)
    assert expected in said
    assert len(said.splitlines()) == 1
    assert len(said) < 200
    assert SECRET not in said


def test_yaml_of_use_is_read() -> None:
    text = "all: &all {a: [1, 2.5], b: 2024-01-31}\nsame: *all\nmore: {<<: *all, a: x}"
    found = read_yaml(text)
    assert found["same"] == found["all"]
    assert found["more"] == {"a": "x", "b": found["all"]["b"]}
    deep = "[" * (DEEPEST - 1) + "1" + "]" * (DEEPEST - 1)
    assert read_yaml(f"x: {deep}")["x"][0]
    assert read_yaml("") is None


def test_each_alias_counts_as_what_it_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_yaml, "MOST_VALUES", 10)
    assert read_yaml("[&a [1, 2], *a, *a]") == [[1, 2]] * 3
    with pytest.raises(YamlTextError, match="more than 10 values"):
        read_yaml("[&a [1, 2], *a, *a, 3]")


@pytest.mark.parametrize("text", ["x: &x [*x]", "x: [1", "\0", "a" * 1_000_001])
def test_each_file_that_people_write_is_read_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets").mkdir()
    for name in ("destinations.yml", "readers.yml", "datasets/shop.yml"):
        (tmp_path / name).write_text(text)
    with pytest.raises(DestinationError, match=r"destinations\.yml can't be read: "):
        read_destinations(Path("destinations.yml"), [])
    with pytest.raises(ServeError, match=r"readers\.yml can't be read: "):
        read_readers(Path("readers.yml"))
    with pytest.raises(NoBuildError, match=r"datasets/shop\.yml can't be read: "):
        vars_of("shop", tmp_path)
    with pytest.raises(TrialError, match=r"^RULE can't be read: "):
        try_rule(text, tmp_path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"- 1"])
def test_what_is_no_file_of_vars_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "datasets" / "shop.yml"
    if content is None:
        file.mkdir(parents=True)
    else:
        file.parent.mkdir()
        file.write_bytes(content)
    with pytest.raises(NoBuildError, match=r"datasets/shop\.yml"):
        vars_of("shop", tmp_path)
    with pytest.raises(DestinationError, match=r"shop\.yml"):
        read_destinations(file, [])


@pytest.mark.parametrize("name", ["../shop", "a/b", "", "a b", "x" * 300 + "/"])
def test_no_data_set_leads_to_another_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(NoBuildError, match="Expected only letters, digits") as refusal:
        vars_of(name, tmp_path)
    assert len(str(refusal.value)) < 200
