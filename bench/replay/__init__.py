"""Production traces replayed against simulated engines of mixed speed: who gives the first token soonest."""
