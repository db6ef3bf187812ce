"""Settings of servers become running servers."""

from pathlib import Path

from doorward.config.settings import Server as ServerConfig
from doorward.config.settings import Settings
from doorward.model.target import ToolRule
