"""The kinds of change that there are."""

from importlib import import_module

from immich_pipeline.actions.model import Kind
from immich_pipeline.errors import UserError

# Each is loaded when it is asked for: the command line's help need not wait for any.
_MODULES = {
    "stacks": ("immich_pipeline.actions.stack_plan", "STACKS"),
    "duplicates": ("immich_pipeline.actions.duplicate_plan", "DUPLICATES"),
}

KINDS = tuple(_MODULES)


def kind_of(name: str) -> Kind:
    """The kind of this name.

    Raises:
        UserError: there is none.
    """
    if name not in _MODULES:
        raise UserError(f"there is no kind of plan named {name}; there are: {', '.join(KINDS)}")
    module, constant = _MODULES[name]
    kind = getattr(import_module(module), constant)
    if not isinstance(kind, Kind):
        raise TypeError(f"{module}.{constant} is no kind of change")
    return kind
