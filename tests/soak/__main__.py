"""`make soak`: sets Django up for the long run, which needs its settings before anything else is imported."""

import os
import sys
from importlib import import_module

import django

os.environ["RASEED_ENV"] = "test"
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()
sys.exit(import_module("soak.long").main())
