"""Shop safety codes: shops, codes, inspections, colours, ratings, tip-offs."""
