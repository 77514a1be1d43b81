"""What is held on a person, and how it is erased."""
