"""Django's settings for the suite: the product's own, in test mode."""

import os

os.environ.setdefault("RASEED_ENV", "test")

from raseed.config.settings import *  # noqa: F403

# Nothing is collected for the tests; whitenoise warns of a directory that is not there, and warnings are errors.
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
