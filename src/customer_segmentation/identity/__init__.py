"""Who is who: identifiers in one spelling, the linkage model and the people it finds."""
