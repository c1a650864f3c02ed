"""The server's settings: defaults, then a TOML file, then the environment, then flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class ServerConfig(BaseSettings):
    """Settings of `cxstream serve`; each is also an environment variable ``CXSTREAM_<NAME>``.

    Attributes
    ----------
    listen : str
        ``host:port``; port 0 takes a free one.
    data : Path or None
        The data directory, made where there is none: what is acknowledged survives any end of the
        process. Without one everything is held in memory only.
    customer_keys : Path or None
        The file of `cxstream customer-key`: what customers' keys are hashed with before they are
        stored. Programs with a customer column need it where there is a data directory.
    seal_rows : int
        Responses that wait in the journal, and not for longer than
    seal_age_s : float
        seconds, before they are written to the Parquet files of the history; up to eight times
        that while more than 16 MiB a second come in.
    threads : int
        Threads that count views side by side; 0 for the processors there are.
    workers : int
        Rpcs handled at a time, append streams apart.
    streams_max : int
        Append streams open at a time; further ones are told to come back.
    arrow_bytes_max : int
        Largest Arrow body of one batch, in bytes. A larger one is refused and the stream goes on;
        beyond four times that the transport ends the stream.
    grace_s : float
        Seconds that rpcs under way have to end at shutdown.
    reflection : bool
        Whether clients may ask for the service's descriptors.
    log_format : {"console", "json"}
    log_level : {"debug", "info", "warning", "error"}
    port_file : Path or None
        Where the bound address is written once the server serves.
    """

    model_config = SettingsConfigDict(env_prefix="CXSTREAM_", extra="forbid", frozen=True)

    listen: str = Field("127.0.0.1:50051", pattern=r"^.+:\d{1,5}$")
    data: Path | None = None
    customer_keys: Path | None = None
    seal_rows: int = Field(2**22, ge=1)
    seal_age_s: float = Field(30.0, ge=0, allow_inf_nan=False)
    threads: int = Field(0, ge=0, le=1024)
    workers: int = Field(64, ge=4, le=4096)
    streams_max: int = Field(48, ge=1, le=4096)
    arrow_bytes_max: int = Field(16 * 2**20, ge=64 * 1024, le=256 * 2**20)
    grace_s: float = Field(10.0, ge=0, le=3600)
    reflection: bool = True
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    port_file: Path | None = None

    @classmethod
    def load(cls, file: Path | None = None, **flags: Any) -> ServerConfig:
        """Read settings; a flag that is None was not given.

        Raises
        ------
        pydantic.ValidationError
            A setting is unknown or out of bounds; names it.
        OSError, tomllib.TOMLDecodeError
            The file cannot be read.
        """
        given = {name: value for name, value in flags.items() if value is not None}
        if file is None:
            return cls(**given)
        if not file.is_file():
            raise FileNotFoundError(f"no configuration file {str(file)!r}")

        class WithFile(cls):  # type: ignore[valid-type,misc]
            @classmethod
            def settings_customise_sources(
                cls,
                settings_cls: type[BaseSettings],
                init_settings: PydanticBaseSettingsSource,
                env_settings: PydanticBaseSettingsSource,
                dotenv_settings: PydanticBaseSettingsSource,
                file_secret_settings: PydanticBaseSettingsSource,
            ) -> tuple[PydanticBaseSettingsSource, ...]:
                del dotenv_settings, file_secret_settings
                return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)

        return cls(**WithFile(**given).model_dump())
