"""How a network learns, whatever it is taught."""
