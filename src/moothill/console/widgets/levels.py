"""How far a tenant opens itself: the three levels side by side, and the change from one to another."""

from functools import partial

from nicegui import ui

from ...moot import Moot
from ...tenancy.sharing.models import Level
from ...tenancy.sharing.rules import LEVELS
from ..act import Act, act
from ..theme import state_of
from ..visit import Visit
from .dialogs import button
from .text import box, quiet, text

__all__ = ["LEVEL_WORDS", "level_cards"]

LEVEL_WORDS: dict[str, str] = {level: level.capitalize() for level in LEVELS}
_ICONS = {"strict": "o_lock", "shared": "o_handshake", "federated": "o_hub"}


def level_cards(visit: Visit, there: Moot, now: str, *, tenant: str = "") -> None:
    """The levels, each with what it means; those that are not in force can be chosen.

    Args:
        there: the tenant that they are about.
        now: the level in force.
        tenant: its slug, if it is not the page's own.
    """
    may = visit.may("sharing.set_level")
    with box("levels").mark("levels"):
        for level, meaning in LEVELS.items():
            with box(f"level {'here' if level == now else ''}"):
                with box("row-line"):
                    ui.icon(_ICONS[level])
                    text(LEVEL_WORDS[level], "strong grow")
                    if level == now:
                        text("in force", f"state {state_of('live')}").mark("level-now")
                quiet(meaning, "grow")
                if level != now and may:
                    change = partial(_change, visit, there, now, level, tenant)
                    button(f"Make it {level}").on_click(change).mark(f"level-{level}")


async def _change(visit: Visit, there: Moot, old: str, new: Level, tenant: str) -> None:
    whose = tenant or visit.tenant
    ask = Act(
        f"Make {whose} {new}",
        f"Make it {new}",
        LEVELS[new],
        facts={"From": old, "To": new, "From when": "the commit on, for open sessions too"},
        done=f"{whose} is {new} now.",
        tenant=tenant,
    )
    if await act(visit, ask, there.sharing.set_level, level=new) is not None:
        visit.renew()
