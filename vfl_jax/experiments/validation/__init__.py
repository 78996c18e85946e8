"""What a config must satisfy before anything expensive starts."""
