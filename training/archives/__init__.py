"""What an endpoint serves: made, checked, opened again."""
