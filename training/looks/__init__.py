"""The same photos, in ever new views and light."""
