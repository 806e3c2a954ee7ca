"""The dataplane under trouble for minutes: what is counted must be zero at the end, and nothing may be lost."""
