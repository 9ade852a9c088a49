"""The kinds of change that there are."""

from importlib import import_module

from immich_pipeline.actions.model import Kind
from immich_pipeline.config import Settings
from immich_pipeline.errors import UserError

# Each is loaded when it is asked for: the command line's help need not wait for any.
_MODULES = {
    "stacks": ("immich_pipeline.actions.stack_plan", "STACKS"),
    "duplicates": ("immich_pipeline.actions.duplicate_plan", "DUPLICATES"),
}

# of these there is one for each job of the settings, called FAMILY:JOB
_FAMILIES = {"sharing": ("immich_pipeline.actions.sharing_plan", "kind_of_job")}

KINDS = (*_MODULES, *_FAMILIES)


def names_of(kind: str, settings: Settings, job: str | None = None) -> list[str]:
    """The kinds that a person means by a word: itself, or one for each job, or for the one that is named.

    Raises:
        UserError: a job is named of a kind that has none.
    """
    if kind in _FAMILIES:
        names = [one.name for one in settings.sharing.jobs] if job is None else [job]
        return [f"{kind}:{name}" for name in names]
    if job is not None:
        raise UserError(f"plans of {kind} are not made by jobs: leave --job out")
    return [kind]


def kind_of(name: str) -> Kind:
    """The kind of this name.

    Raises:
        UserError: there is none.
    """
    family, _, job = name.partition(":")
    module, constant = _MODULES.get(name) or (_FAMILIES.get(family) if job else None) or ("", "")
    if not module:
        raise UserError(f"there is no kind of plan named {name}; there are: {', '.join(KINDS)}")
    found = getattr(import_module(module), constant)
    kind = found(job) if job else found
    if not isinstance(kind, Kind):
        raise TypeError(f"{module}.{constant} is no kind of change")
    return kind
