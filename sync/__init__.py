"""The S3 side of the loop: what annotators save is seen here, and chains are registered and released from here."""
