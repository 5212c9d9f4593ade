"""The agent: the model loop, its tools, the playbook, the deterministic policy."""
