"""Secrets in files, as container engines hand them over: one a file, for as few eyes as possible."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    SecretsSettingsSource,
    YamlConfigSettingsSource,
)

from phenoloop.errors import SettingsInvalid

FOLDER_VARIABLE = "PHENOLOOP_SECRETS"
_SECRET = (("label_studio", "token"), ("backend", "password"))


class SecretFiles(NestedSecretsSettingsSource):
    """The folder that PHENOLOOP_SECRETS names; each file is called like the variable that it stands for."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        folder = os.environ.get(FOLDER_VARIABLE)
        super().__init__(SecretsSettingsSource(settings_cls), secrets_dir=folder, secrets_dir_missing="error")

    @classmethod
    def load_secrets(cls, path: Path) -> dict[str, str]:
        """Raises SettingsInvalid if a file is open to others."""
        return {file.name: private_text(file) for file in path.iterdir() if file.is_file()}


class PublicFile(YamlConfigSettingsSource):
    """The YAML file that PHENOLOOP_CONFIG names. Such files end in repositories, so it may hold no secret."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        """Raises SettingsInvalid: there is no such file, or a secret stands in it."""
        name = os.environ.get("PHENOLOOP_CONFIG")
        if name and not Path(name).is_file():
            raise SettingsInvalid("The settings file is not there.", cure="Correct PHENOLOOP_CONFIG.", file=name)
        super().__init__(settings_cls, yaml_file=name)
        found = [f"{section}.{name}" for section, name in _SECRET if name in (self.yaml_data.get(section) or {})]
        if "@" in urlsplit(str(self.yaml_data.get("redis_url", ""))).netloc:
            found.append("redis_url (with a password)")
        if found:
            cure = f"Take it out, and give it as a variable or as a file of the folder that {FOLDER_VARIABLE} names."
            raise SettingsInvalid("A secret stands in the settings file.", cure=cure, found=", ".join(found))


def private_text(file: Path) -> str:
    """The file's text without outer white space. Raises SettingsInvalid if others may read it or write to it."""
    require_private(file)
    return file.read_text().strip()


def require_private(file: Path) -> None:
    """Its owner's and, for reading, its group's. Raises SettingsInvalid, also if it can't be read."""
    try:
        mode = file.stat().st_mode
        readable = os.access(file, os.R_OK)
    except OSError as error:
        raise SettingsInvalid("A secret's file is not there.", file=file) from error
    if mode & 0o027:
        raise SettingsInvalid(
            "A secret's file is open to others.", cure=f"chmod 440 {file}", file=file, mode=f"{mode & 0o777:o}"
        )
    if not readable:
        raise SettingsInvalid("A secret's file may not be read.", cure=f"Make {file} readable to our group.", file=file)
