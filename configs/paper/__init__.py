"""The paper's claims, a study each."""
