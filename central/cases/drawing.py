"""A service's states and transitions as text: for a terminal, and as a Mermaid state diagram."""

from __future__ import annotations

from collections.abc import Iterator

from central.cases.definition import Definition, Transition


def tree(definition: Definition, language: str) -> Iterator[str]:
    """Lines of a picture for a terminal: each state once, with what leads out of it."""
    for state in definition.states:
        mark = "●" if state.initial else "■" if state.coarse == "closed" else "○"
        ending = f", {state.ending}" if state.ending else ""
        yield f"{mark} {state.name}  {state.titles.text(language)}  [{state.step}, {state.coarse}{ending}]"
        leaving = list(definition.leaving(state.name))
        for number, found in enumerate(leaving):
            branch = "└" if number == len(leaving) - 1 else "├"
            yield f"  {branch}─ {found.name} → {found.to}  ({_who(found)})"


def mermaid(definition: Definition) -> Iterator[str]:
    """Lines of a Mermaid state diagram."""
    yield "stateDiagram-v2"
    yield f"    [*] --> {definition.initial.name}"
    for found in definition.transitions:
        for source in found.sources:
            yield f"    {source} --> {found.to} : {found.name}"
    for state in definition.states:
        if state.coarse == "closed":
            yield f"    {state.name} --> [*]"


def _who(found: Transition) -> str:
    parts = [", ".join(found.roles)] if found.roles else []
    if found.on is not None:
        parts.append(f"on {found.on}")
    if found.required:
        parts.append(f"needs {', '.join(found.required)}")
    if found.guards:
        parts.append(f"if {', '.join(found.guards)}")
    return "; ".join(parts)
