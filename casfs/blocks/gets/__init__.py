"""GETs on their way: how large, in which order, and what becomes of one that breaks off."""
