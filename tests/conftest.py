"""For every test: an Output used as text is an error, and Pulumi asks nobody for updates."""

import os

os.environ["PULUMI_ERROR_OUTPUT_STRING"] = "1"
os.environ["PULUMI_SKIP_UPDATE_CHECK"] = "1"
