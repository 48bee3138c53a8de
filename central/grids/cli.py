"""`patrol central grids`: the grid tree: import, list, find, hand over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from central.project.bootstrap import ready
from patrol import console
from protocol.errors import PatrolError

app = typer.Typer(
    help="The grid tree: who answers for which ground.",
    no_args_is_help=True,
    epilog="Examples:\n\n"
    "patrol central grids import grids.geojson --jurisdiction tianlin --dry-run\n\n"
    "patrol central grids at 121.4172 31.1763 --jurisdiction tianlin\n\n"
    "patrol central grids hand-over 3-07-112 --primary wang.fang --jurisdiction tianlin",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Jurisdiction = Annotated[str, typer.Option("--jurisdiction", "-j", help="Whose tree.")]
_SHOWN = 20


@app.command(
    "import", epilog="Example: patrol central grids import grids.geojson --jurisdiction tianlin --dry-run"
)
def import_(
    file: Annotated[Path, typer.Argument(help="GeoJSON, or CSV with a column wkt; see docs/grids.md.")],
    jurisdiction: Jurisdiction,
    valid_from: Annotated[
        str | None, typer.Option("--from", help="From when on, e.g. 2027-01-01T00:00:00+08:00; else now.")
    ] = None,
    allow_overlaps: Annotated[
        bool,
        typer.Option("--allow-overlaps", help="Store although leaves overlap; the first code counts there."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and report; store nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Make the tree what a file says, whole or not at all, and report overlaps and holes.

    Exit code 0: stored (or would be); 1: overlaps, nothing stored; 2: the file is wrong, nothing stored.
    """
    from central.grids.reading import read_grids

    report = read_grids(file)
    overlaps = [finding for finding in report.findings if finding.kind == "overlap"]
    answer: dict[str, Any] = {
        "file": str(file),
        "grids": report.grids,
        "faults": [fault.as_dict() for fault in report.faults],
        "findings": [
            {"kind": f.kind, "codes": f.codes, "area_m2": round(f.area_m2, 1), "at": f.at}
            for f in report.findings
        ],
        "stored": None,
    }
    may = not report.faults and (allow_overlaps or not overlaps)
    if may and not dry_run:
        from central.project import bootstrap
        from protocol.clock import from_iso

        try:
            from_ms = None if valid_from is None else from_iso(valid_from)
        except ValueError as error:
            raise PatrolError(str(error), field="--from", value=valid_from) from error
        bootstrap.start()
        bootstrap.check_schema()
        from central.grids import services

        stored = services.store(jurisdiction, report.entries, from_ms=from_ms)
        answer["stored"] = {
            "added": stored.added,
            "changed": stored.changed,
            "unchanged": stored.unchanged,
            "without_ground": stored.without_ground,
        }
    if as_json:
        console.print_json(answer)
    else:
        _tell(answer, dry_run=dry_run)
    if report.faults:
        raise typer.Exit(2)
    if not may:
        raise typer.Exit(1)


@app.command("list", epilog="Example: patrol central grids list --jurisdiction tianlin --json")
def list_(jurisdiction: Jurisdiction, as_json: Json = False) -> None:
    """The tree with the people who answer for each grid."""
    ready()
    from rich.tree import Tree

    from central.grids.models import Grid

    grids = list(
        Grid.objects.filter(jurisdiction_id=jurisdiction).select_related("parent", "primary", "deputy")
    )
    if as_json:
        console.print_json(
            [
                {
                    "code": grid.code,
                    "name": grid.name,
                    "level": grid.level,
                    "parent": None if grid.parent is None else grid.parent.code,
                    "primary": None if grid.primary is None else grid.primary.get_username(),
                    "deputy": None if grid.deputy is None else grid.deputy.get_username(),
                }
                for grid in grids
            ]
        )
        return
    tree = Tree(escape(jurisdiction))
    nodes: dict[int, Tree] = {}
    for grid in sorted(grids, key=lambda g: (g.level, g.code)):
        people = ", ".join(p.shown_name for p in (grid.primary, grid.deputy) if p is not None)
        text = f"{escape(str(grid))}{f'  [dim]{escape(people)}[/]' if people else ''}"
        nodes[grid.pk] = nodes.get(grid.parent_id or 0, tree).add(text)
    console.out.print(tree)


@app.command("at", epilog="Example: patrol central grids at 121.4172 31.1763 --jurisdiction tianlin")
def at_(
    longitude: Annotated[float, typer.Argument(min=-180, max=180, help="Degrees east, WGS-84.")],
    latitude: Annotated[float, typer.Argument(min=-90, max=90, help="Degrees north, WGS-84.")],
    jurisdiction: Jurisdiction,
    as_json: Json = False,
) -> None:
    """In which grid a point lies. Exit code 1: in none."""
    ready()
    from central.grids.services import leaf_of

    grid = leaf_of(jurisdiction, longitude, latitude)
    path = [] if grid is None else [{"code": node.code, "name": node.name} for node in grid.path()]
    if as_json:
        console.print_json({"grid": None if grid is None else grid.code, "path": path})
    else:
        console.out.print(" › ".join(escape(f"{n['name']} ({n['code']})") for n in path) or "in no grid")
    if grid is None:
        raise typer.Exit(1)


def _tell(answer: dict[str, Any], *, dry_run: bool) -> None:
    for fault in answer["faults"][:_SHOWN]:
        where = ": ".join(str(fault[key]) for key in ("file", "field") if key in fault)
        console.err.print(
            f"[bold red]error[/] {escape(where)}: {escape(str(fault['problem']))}", soft_wrap=True
        )
    for finding in answer["findings"][:_SHOWN]:
        codes = ", ".join(finding["codes"])
        x, y = finding["at"]
        console.err.print(
            f"[yellow]{finding['kind']}[/] {finding['area_m2']:.0f} m² at {x}, {y}: {escape(codes)}",
            soft_wrap=True,
        )
    for kind, items in (("errors", answer["faults"]), ("overlaps and holes", answer["findings"])):
        if len(items) > _SHOWN:
            console.err.print(f"and {len(items) - _SHOWN} more {kind}; --json shows all")
    counts = " / ".join(str(answer["grids"].get(level, 0)) for level in range(1, 5))
    console.out.print(f"grids by level: {counts}")
    if answer["stored"] is not None:
        stored = answer["stored"]
        console.out.print(
            f"{stored['added']} added, {stored['changed']} changed, {stored['unchanged']} as before"
        )
        if stored["without_ground"]:
            console.out.print(f"without ground from now on: {', '.join(stored['without_ground'])}")
    elif dry_run and not answer["faults"]:
        console.out.print("nothing was stored (--dry-run)")
