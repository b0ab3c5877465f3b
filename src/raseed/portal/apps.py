"""Registers the portal with Django. It owns no table."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """The pages, their templates, tags and static files."""

    name = "raseed.portal"
    label = "portal"
