"""The views of the portal: each reads a request, calls one use-case and draws its answer."""
