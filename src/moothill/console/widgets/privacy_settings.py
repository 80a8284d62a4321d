"""What a tenant allows to be learnt from it, as a form; what did not change is not sent."""

from decimal import Decimal, InvalidOperation
from typing import Any

from nicegui import ui

from ...tenancy.privacy.models import PrivacySettings
from ..act import Act, act, tell
from ..visit import Visit
from .dialogs import button
from .fields import choice, line
from .numbers import NotANumber
from .text import box, fact, quiet, state, text, time_ago

__all__ = ["changed_settings", "settings_form", "settings_shown"]

LEVELS = {
    "differential": "Differential: it may take part in releases",
    "basic": "Basic: it takes part in nothing; its own views hide small groups",
}
_NUMBERS = {"epsilon": "Epsilon", "delta": "Delta", "noise_magnitude": "Least noise"}


def changed_settings(now: PrivacySettings, given: dict[str, Any]) -> dict[str, Any]:
    """What differs from the settings in force.

    Raises:
        NotANumber: a field cannot be read.
    """
    found = dict(given)
    for name, words in _NUMBERS.items():
        try:
            found[name] = Decimal(str(given[name]).strip())
        except InvalidOperation:
            raise NotANumber(f"{words}: give a number such as 0.5.", field=name) from None
    if not str(given["k_anonymity"]).strip().isdecimal():
        raise NotANumber("Least group: give a whole number.", field="k_anonymity")
    found["k_anonymity"] = int(given["k_anonymity"])
    found["allowed_tenant_groups"] = sorted(set(given["allowed_tenant_groups"] or []))
    return {name: value for name, value in found.items() if getattr(now, name) != value}


def settings_shown(now: PrivacySettings) -> None:
    """The settings, to read."""
    with box("facts").mark("settings"):
        with fact("Takes part"):
            state(
                "yes" if now.allow_cross_tenant_learning else "no", "busy" if now.allow_cross_tenant_learning else "off"
            )
        fact("Level", LEVELS[now.privacy_level])
        fact("Epsilon a month", f"{now.epsilon.normalize():f}")
        fact("Delta", f"{now.delta.normalize():f}")
        fact("Least group", now.k_anonymity)
        fact("Least noise", f"{now.noise_magnitude.normalize():f} of the most that one tenant changes")
        fact("May learn from it", ", ".join(now.allowed_tenant_groups) or "nobody")
        fact("Version", now.version)
        with fact("Changed"):
            time_ago(now.updated_at)


def settings_form(visit: Visit, now: PrivacySettings) -> None:
    """The same, to change."""
    with box("stack close").mark("settings-form"):
        learning = ui.switch("Something may be learnt from this tenant", value=now.allow_cross_tenant_learning)
        learning.props("dense").mark("allow-learning")
        level = choice("Level", LEVELS, now.privacy_level).mark("privacy-level")
        with box("field-row pairs"):
            epsilon = line("Epsilon", f"{now.epsilon.normalize():f}", note="Most that a month may take.").mark(
                "epsilon"
            )
            delta = line("Delta", f"{now.delta.normalize():f}", note="The probability with it.")
            least = line("Least group", str(now.k_anonymity), note="Smallest that may count it.").mark("least-group")
            noise = line("Least noise", f"{now.noise_magnitude.normalize():f}", note="Below, it stays out.")
        with box("field"):
            text("Groups that may learn from it", tag="label")
            groups = ui.input_chips(value=now.allowed_tenant_groups, new_value_mode="add-unique")
            groups.props('outlined dense aria-label="Groups that may learn from it"').mark("groups")
            quiet("Projects of tenants; press Enter after each. None: nobody.", "small after")

        async def save() -> None:
            given = {
                "allow_cross_tenant_learning": bool(learning.value),
                "privacy_level": level.value,
                "epsilon": epsilon.value,
                "delta": delta.value,
                "k_anonymity": least.value,
                "noise_magnitude": noise.value,
                "allowed_tenant_groups": groups.value,
            }
            try:
                changes = changed_settings(now, given)
            except NotANumber as error:
                tell(error)
                return
            if not changes:
                ui.notify("Nothing is changed.")
                return
            facts = {
                name.replace("_", " ").capitalize(): _shown(getattr(now, name), value)
                for name, value in changes.items()
            }
            ask = Act(
                "Change the privacy settings", "Change them", "They count from the commit on.", facts=facts,
                done="The settings are changed.",
            )  # fmt: skip
            if await act(visit, ask, visit.moot.privacy.configure, version=now.version, **changes) is not None:
                visit.go(visit.url("/privacy", tab="settings"))

        with box("row-line"):
            button("Save", "main").on_click(save).mark("save-settings")


def _shown(old: Any, new: Any) -> str:
    def words(value: Any) -> str:
        return (
            ", ".join(value) or "nobody"
            if isinstance(value, list)
            else f"{value.normalize():f}"
            if isinstance(value, Decimal)
            else str(value)
        )

    return f"{words(old)} → {words(new)}"
