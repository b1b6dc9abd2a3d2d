"""Parses Dockerfiles into instructions, with the syntax that this repository uses."""

import dataclasses
import json
import pathlib
import re


@dataclasses.dataclass(frozen=True)
class Instruction:
    name: str
    value: str

    @property
    def words(self) -> list[str]:
        """Words of the exec form, or separated by white space."""
        return json.loads(self.value) if self.value.startswith("[") else self.value.split()


def parse(path: pathlib.Path) -> list[Instruction]:
    """Instructions in order, with the defaults of ARG substituted."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    arguments: dict[str, str] = {}
    instructions = []
    for line in filter(None, text.splitlines()):
        name, _, value = line.partition(" ")
        assert name.isupper(), line
        for argument, default in arguments.items():
            value = value.replace(f"${{{argument}}}", default)
        assert "$" not in value, line
        if name == "ARG":
            argument, _, default = value.partition("=")
            arguments[argument] = default
        instructions.append(Instruction(name, value.strip()))
    return instructions
