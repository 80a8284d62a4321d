"""The guards of the isolation as a wall: each is a stone, and one that fell is a hole with its name in it."""

from collections.abc import Sequence

from nicegui import ui

from ...tenancy.tenants.models import GuardState, IsolationCheck
from ..visit import Visit
from .dialogs import copy_button
from .text import box, fact, link, quiet, state, text, title, with_property
from .words import counted, number

__all__ = ["guard_detail", "guard_rows", "named", "verdict", "wall"]


def named(guard: GuardState) -> str:
    """Its name in words."""
    return guard.name.replace("_", " ").capitalize().replace("sql", "SQL")


def _inside(sentence: str) -> str:
    """A sentence as a part of another one; what is written in capitals stays so."""
    return sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() or sentence[1:2] == " " else sentence


def verdict(found: IsolationCheck) -> None:
    """What all of it comes to, in a line and a few facts."""
    fallen = sum(not guard.stands for guard in found.guards)
    whole = counted(len(found.guards), "guard")
    with box(f"verdict {'good' if found.serves else 'bad'}").mark("verdict"):
        ui.icon("o_gpp_good" if found.serves else "o_gpp_bad")
        with box("grow"):
            said = f"All {whole} stand" if found.serves else f"{number(fallen)} of {whole} fell" if fallen else ""
            title(said or "Nothing would be served", 2)
            quiet(found.refusal or "A process that starts now serves: no tenant reaches another's rows.", "wrap")
        with box("facts"):
            fact("PostgreSQL", found.server_version + ("" if found.server_is_safe else " has known holes"))
            fact("Migrations", "all applied" if not found.pending_migrations else f"{found.pending_migrations} pending")
            fact("Connected as", found.role)
            fact("Took", f"{number(round(found.took_ms))} ms")


def wall(visit: Visit, guards: Sequence[GuardState], show: str | None, chosen: str | None) -> None:
    """The picture; each stone leads to its guard."""
    with box("wall", "nav").mark("wall"):
        for guard in guards:
            looks = ["stone", "stands" if guard.stands else "fallen", "here" if guard.name == chosen else ""]
            with link("", visit.url("/isolation", guard=guard.name, show=show), " ".join(looks)) as stone:
                ui.icon("o_check" if guard.stands else "o_close")
                text(named(guard))
                if not guard.stands:
                    text(counted(guard.fault_count, "fault"), "small")
            with_property(stone, "title", guard.against)


def guard_rows(visit: Visit, guards: Sequence[GuardState], show: str | None, chosen: str | None) -> None:
    """The same in words: what each keeps out, what has to hold, and its faults."""
    with box("list").mark("guards"):
        for guard in guards:
            address = visit.url("/isolation", guard=guard.name, show=show)
            with link("", address, f"entry guard {'chosen' if guard.name == chosen else ''}"):
                state("stands" if guard.stands else "fallen").classes("narrow")
                with box("grow"):
                    text(named(guard), "strong", "div")
                    quiet(f"Keeps out {_inside(guard.against)}", "wrap")
                    for fault in guard.faults[:3]:
                        text(fault, "note bad wrap mono", "div").mark("fault")
                    if guard.fault_count > 3:
                        quiet(f"and {number(guard.fault_count - 3)} more", "small")


def guard_detail(guard: GuardState) -> None:
    """One guard whole."""
    with box("stack close").mark("guard-detail"):
        state("stands" if guard.stands else "fallen")
        with box("facts"):
            fact("Name", guard.name).classes("mono")
            fact("Has to hold", guard.asks)
            fact("Keeps out", guard.against)
            fact("Checklist", guard.places or "not on it")
            fact("Faults", number(guard.fault_count))
        if guard.faults:
            with box("stack tight"):
                for fault in guard.faults:
                    text(fault, "note bad wrap mono", "div")
            copy_button("\n".join(guard.faults), "Copy the faults")
            quiet("`moothill db check` lists the same on the command line; nothing is served until all stand.", "small")
