"""Does what the core decides: sockets, timers, processes. One event loop; nothing blocks it."""
