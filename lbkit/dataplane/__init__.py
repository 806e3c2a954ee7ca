"""The running balancer: `core` decides, `wire` reads and writes bytes, `shell` does. No Pulumi, no jinja2."""
