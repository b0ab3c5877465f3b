"""Settings, URLs and WSGI: the one place that knows every room."""
