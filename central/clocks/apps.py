"""Django's registration of this app."""

from typing import Any

from django.apps import AppConfig


class ClocksConfig(AppConfig):
    name = "central.clocks"
    label = "clocks"

    def ready(self) -> None:
        from central.cases.actions import closing_checks
        from central.cases.services import case_moved, case_opened
        from central.clocks.services import follow
        from central.clocks.whistle import blocks_closing
        from central.project.clock import now_ms

        def opened(case: Any, **_: Any) -> None:
            follow(case, now_ms())

        def moved(case: Any, at_ms: int, move: Any = None, **_: Any) -> None:
            follow(case, at_ms, None if move is None else move.after)

        case_opened.connect(opened, weak=False, dispatch_uid="clocks.opened")
        case_moved.connect(moved, weak=False, dispatch_uid="clocks.moved")
        if blocks_closing not in closing_checks:
            closing_checks.append(blocks_closing)
