"""API tokens' pages: one's own, and for administrators everybody's. What a token may is decided in guests/access."""
