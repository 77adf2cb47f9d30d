"""What machines share, in PostgreSQL: replies, claims, money and limits."""
