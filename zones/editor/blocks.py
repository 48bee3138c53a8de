"""A TOML file as blocks of text: what stands before the zones, each zone, and what stands between them.

A zone that nobody touched keeps its text to the byte. Comments above a header belong to what they stand above.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Block:
    """A header with its keys, or the keys before the first header.

    Attributes:
        header: the dotted name in brackets, "" before the first one.
        text: all of it, with the comments above; the blocks of a file joined are the file.
    """

    header: str
    text: str


def split(text: str) -> tuple[Block, ...]:
    """Cut valid TOML at its headers. What only looks like a header, in a string or an array, is none."""
    blocks: list[Block] = []
    header, lines = "", list[str]()
    for line, is_header in _lines(text):
        if is_header:
            own, above = _cut_comments(lines)
            blocks.append(Block(header, "".join(own)))
            header, lines = _name(line), above
        lines.append(line)
    blocks.append(Block(header, "".join(lines)))
    return tuple(block for block in blocks if block.text)


@dataclass(frozen=True, slots=True)
class Parts:
    """A zone file in parts: before the first zone, the zones in order, after or between them.

    Attributes:
        before, after: text of the other tables.
        zones: text of each `[[zone]]` with its sub-tables.
    """

    before: str
    zones: tuple[str, ...]
    after: str


def parts(text: str) -> Parts:
    """The zones of a TOML file, each with its sub-tables, and the rest."""
    before, zones, after = list[str](), list[list[str]](), list[str]()
    for block in split(text):
        if block.header == "[zone]":
            zones.append([block.text])
        elif zones and block.header.startswith(("zone.", "[zone.")):
            zones[-1].append(block.text)
        else:
            (after if zones else before).append(block.text)
    return Parts("".join(before), tuple("".join(zone) for zone in zones), "".join(after))


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is a header."""
    depth, quote = 0, ""
    for line in text.splitlines(keepends=True):
        begins_free = not depth and not quote
        header = begins_free and line.lstrip().startswith("[")
        yield line, header
        if not header:
            depth, quote = _scan(line, depth, quote)


def _scan(line: str, depth: int, quote: str) -> tuple[int, str]:
    """How many brackets and which quotation are open at the end of a line."""
    at = 0
    while at < len(line):
        if quote:
            if line[at] == "\\" and quote[0] == '"':
                at += 2
                continue
            if line.startswith(quote, at):
                at += len(quote)
                quote = ""
                continue
        elif line[at] == "#":
            break
        elif line[at] in "\"'":
            quote = line[at] * 3 if line.startswith(line[at] * 3, at) else line[at]
            at += len(quote)
            continue
        else:
            depth += (line[at] in "[{") - (line[at] in "]}")
        at += 1
    return depth, quote if len(quote) == 3 else ""


def _name(line: str) -> str:
    """`[zone]` for `[[zone]]`, `picture` for `[picture]`, without quotation and blanks."""
    inside = line.split("#", 1)[0].strip()[1:-1]
    return "".join(letter for letter in inside if letter not in " \t\"'")


def _cut_comments(lines: list[str]) -> tuple[list[str], list[str]]:
    """Lines of the block, and the blank lines and comments at its end that stand directly above the next header."""
    at = len(lines)
    while at and lines[at - 1].lstrip().startswith("#"):
        at -= 1
    if at < len(lines):
        while at and not lines[at - 1].strip():
            at -= 1
        # A file's own first words are nobody's comment.
        return (lines[:at], lines[at:]) if at else (lines, [])
    return lines, []
