"""What lives as long as the process, and the world that is in force."""

import asyncio
from collections.abc import Mapping
from typing import Any

from doorward.app.state import StatePaths, paths
from doorward.app.world import Lasting, World
from doorward.backends.files.lock import StateLock
from doorward.backends.files.ring import FileRing
from doorward.backends.files.segments import SegmentLog
from doorward.backends.memory.sessions import MemorySessions
from doorward.backends.sql.store import SqlStore
from doorward.catalog.snapshot import Listing
from doorward.config.load import Loaded
from doorward.config.settings import Settings
from doorward.edge.guard import Guard
from doorward.edge.h1 import H1Server, HttpLimits
from doorward.edge.plane import DataPlane, PlaneSettings
from doorward.edge.streams import SseStreams
from doorward.identity.directory import KeyDirectory
from doorward.model.target import Kind
from doorward.pipeline.door import Door
from doorward.pipeline.evidence import Evidence
from doorward.pipeline.inflight import InFlight
from doorward.pipeline.notices import Notices
