"""What runs on the laptop: drivers, which run jobs on executors."""

from driver.driver import Driver
from driver.events import Event
from driver.result import Result, Round
from driver.settings import Settings

__all__ = ["Driver", "Event", "Result", "Round", "Settings"]
