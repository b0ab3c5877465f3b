"""Django's settings for the suite: the product's own, in test mode."""

import os

os.environ.setdefault("RASEED_ENV", "test")

from raseed.config.settings import *  # noqa: F403
