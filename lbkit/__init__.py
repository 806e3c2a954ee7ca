"""lbkit."""
