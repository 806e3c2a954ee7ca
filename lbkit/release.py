"""This release of lbkit."""

VERSION = "0.1.0"
