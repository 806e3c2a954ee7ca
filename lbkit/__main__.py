"""The plugin's entry for Pulumi's Python host, which runs `python -m lbkit`."""

from lbkit.package.provider import serve

if __name__ == "__main__":
    serve()
