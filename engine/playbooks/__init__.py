"""The playbooks that are delivered with the engine: one folder a business."""
