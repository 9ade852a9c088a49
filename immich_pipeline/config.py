"""What a user can set: by environment variable, or in `immich-pipeline.yaml`. All problems are reported at once.

The environment wins over the file. The file is the one named by IMMICH_PIPELINE_CONFIG, else `immich-pipeline.yaml` in the working
folder, else the one in the data folder; none of them has to exist.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from immich_pipeline.errors import UserError
from immich_pipeline.immich.secrets import Place, resolve, with_environment
from immich_pipeline.immich.settings import ImmichSettings
from immich_pipeline.policies import CapturePolicies, DuplicateSettings, StackSettings
from immich_pipeline.share_settings import SharingSettings

CONFIG_NAME = "immich-pipeline.yaml"

ENVIRONMENT = {
    "IMMICH_PIPELINE_HOME": "home",
    "IMMICH_PIPELINE_PHOTOS": "photos",
    "IMMICH_PIPELINE_OWNER": "owner",
    "IMMICH_PIPELINE_ALLOW_EMPTY": "allow_empty",
    "IMMICH_PIPELINE_HOST": "host",
    "IMMICH_PIPELINE_PORT": "port",
    "IMMICH_PIPELINE_WORKERS": "workers",
    "IMMICH_PIPELINE_WORKER_MEMORY_MB": "worker_memory_mb",
    "IMMICH_PIPELINE_FILE_TIMEOUT_SECONDS": "file_timeout_seconds",
    "IMMICH_PIPELINE_SCAN_SECONDS": "scan_seconds",
    "IMMICH_PIPELINE_NEAR_RADIUS": "near_radius",
    "IMMICH_PIPELINE_FORMATS": "formats",
    "PIPELINE_DATABASE_URL": "database_url",
}


def default_home() -> Path:
    """Where the pipeline keeps its data when IMMICH_PIPELINE_HOME does not say."""
    return platformdirs.user_data_path("immich-pipeline", appauthor=False)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseModel):
    """Everything a run depends on besides the photos themselves."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    home: Path = Field(default_factory=default_home, description="data folder: database, reports, logs, demo library")
    photos: Path | None = Field(default=None, description="folder of photos; none: the demo library in the data folder")
    owner: str = Field(default="local", min_length=1, max_length=100, description="whose photos these are")
    allow_empty: bool = Field(default=False, description="believe it when a folder that held photos is empty")
    database_url: str | None = Field(
        default=None, repr=False, description="PostgreSQL to use instead of the embedded one"
    )
    host: str = Field(
        default="127.0.0.1", description="address the web UI listens on; it has no login, so keep it local"
    )
    port: int = Field(default=3000, ge=1, le=65535, description="port of the web UI")
    workers: int = Field(default_factory=_cores, ge=1, le=256, description="child processes that read files at once")
    worker_memory_mb: int = Field(
        default=900, ge=256, description="memory one child process may use to decode a picture, MB"
    )
    file_timeout_seconds: float = Field(default=60, gt=0, description="longest time one file may take")
    scan_seconds: int = Field(default=10, ge=1, description="how often the folder is looked at for changes")
    near_radius: int = Field(
        default=8, ge=0, le=16, description="Hamming distance of 64-bit hashes up to which pairs are looked at"
    )
    formats: Path | None = Field(default=None, description="TOML file with further file formats")
    immich: ImmichSettings | None = Field(default=None, description="an Immich server to look after")
    captures: CapturePolicies = Field(default_factory=CapturePolicies, description="what is done with captures")
    stacks: StackSettings = Field(default_factory=StackSettings, description="how captures become stacks on the server")
    duplicates: DuplicateSettings = Field(
        default_factory=DuplicateSettings, description="which copy is kept, and what becomes of the others"
    )
    sharing: SharingSettings = Field(
        default_factory=SharingSettings, description="one user's assets in another user's library"
    )

    @field_validator("home", "photos", "formats")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @property
    def folder(self) -> Path | None:
        """The folder of photos that this run looks after; the demo library when nothing else is named."""
        return self.photos or (None if self.immich else self.demo_library)

    @property
    def library_name(self) -> str:
        """What people call the library: its folder, its server, or both."""
        server = self.immich and (self.immich.url or "Immich's database")
        return " and ".join(str(part) for part in (self.folder, server) if part)

    @property
    def capture_rules(self) -> str:
        """What the user's own rules of grouping say, in short: captures are computed anew when it changes."""
        return self.captures.rules_digest

    @property
    def demo_library(self) -> Path:
        """Where the demo library is generated when no folder is named."""
        return self.home / "demo-library"

    @property
    def reports(self) -> Path:
        """Where reports are written."""
        return self.home / "reports"


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the configuration file, if there is one, and the environment.

    Raises:
        UserError: one message that lists every problem, each with its place.
    """
    environment = os.environ if environment is None else environment
    values, places = _from_file(environment)
    for variable, name in ENVIRONMENT.items():
        if environment.get(variable):
            values[name] = environment[variable]
            places[(name,)] = variable
    values["immich"] = with_environment(values.get("immich"), environment)
    problems = []
    for part in ("immich", "sharing"):
        resolved, secret_problems = resolve(values.pop(part, None), environment)
        values |= {} if resolved is None else {part: resolved}
        problems += [f"{_place((part, *place), places)}: {problem}" for place, problem in secret_problems]
    try:
        settings = Settings(**values)
    except ValidationError as error:
        problems += [_problem(detail, places) for detail in error.errors()]
    if problems:
        raise UserError("; ".join(problems))
    return settings


def settings_with(**given: object) -> Settings:
    """The settings, with what the command line says above the environment and the file.

    Args:
        given: settings that have an environment variable, by their names; None: not given.

    Raises:
        UserError: as `load_settings`.
    """
    names = {name: variable for variable, name in ENVIRONMENT.items()}
    environment = dict(os.environ) | {names[name]: str(value) for name, value in given.items() if value is not None}
    return load_settings(environment)


def as_environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables, for child processes that must see the same ones."""
    named = {variable: getattr(settings, name) for variable, name in ENVIRONMENT.items()}
    return {variable: str(value) for variable, value in named.items() if value is not None}


def _problem(detail: Any, places: Mapping[Place, str]) -> str:
    location: Place = detail["loc"]
    place, name = _place(location, places), ".".join(str(part) for part in location)
    if detail["type"] == "extra_forbidden":
        known = f" (known: {', '.join(sorted(Settings.model_fields))})" if len(location) == 1 else ""
        return f"{place}: unknown setting '{name}'{known}"
    if detail["type"] == "missing":
        return f"{place}: the setting '{name}' is missing"
    secret = name == "database_url" or isinstance(detail["input"], dict | list)
    given = "" if secret or name.endswith(("api_key", "database_url")) else f", not {detail['input']!r}"
    return f"{place}: {problem_text(detail)}{given}"


_KINDS = {
    "tuple_type": "should be a list, such as [one, another]",
    "dict_type": "should be 'name: value' lines",
    "model_type": "should be 'name: value' lines",
    "string_type": "should be a text (in quotes where it looks like a number)",
    "bool_parsing": "should be true or false",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_parsing": "should be a number",
}


def problem_text(detail: Any) -> str:
    """What is wrong with a value, for a person who writes YAML.

    Args:
        detail: One of pydantic's `ValidationError.errors()`.
    """
    if told := _KINDS.get(detail["type"]):
        return told
    return str(detail["msg"]).removeprefix("Input ").removeprefix("Value error, ")


def _place(location: Place, places: Mapping[Place, str]) -> str:
    """Where a setting stands: the file and line of it, or of the nearest thing round it; else its name."""
    for length in range(len(location), 0, -1):
        if location[:length] in places:
            return places[location[:length]]
    return ".".join(str(part) for part in location)


def _places(node: yaml.Node, path: Path, location: Place = ()) -> dict[Place, str]:
    """The line of every setting below a node."""
    found: dict[Place, str] = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*location, str(key.value))
            found[here] = f"{path}, line {key.start_mark.line + 1}"
            found |= _places(value, path, here)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            found[(*location, number)] = f"{path}, line {value.start_mark.line + 1}"
            found |= _places(value, path, (*location, number))
    return found


def _from_file(environment: Mapping[str, str]) -> tuple[dict[str, Any], dict[Place, str]]:
    path = config_file(environment)
    if path is None:
        return {}, {}
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the configuration file {path}: {error}") from None
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path}{line}: not valid YAML ({error.problem})") from None
    if values is None:
        return {}, {}
    if not isinstance(values, dict) or not isinstance(node, yaml.MappingNode):
        raise UserError(f"{path}: must be a list of 'name: value' lines")
    return {str(key): value for key, value in values.items()}, _places(node, path)


def config_file(environment: Mapping[str, str]) -> Path | None:
    """The configuration file that counts, if there is one."""
    named = environment.get("IMMICH_PIPELINE_CONFIG")
    if named:
        return Path(named).expanduser()
    home = Path(environment.get("IMMICH_PIPELINE_HOME") or default_home()).expanduser()
    return next((place for place in (Path.cwd() / CONFIG_NAME, home / CONFIG_NAME) if place.is_file()), None)
