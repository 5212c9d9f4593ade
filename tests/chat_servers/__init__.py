"""Local servers of the public protocols of hosted chat models: what they answer, and how they fail, is scripted."""
