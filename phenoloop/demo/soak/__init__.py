"""The soak: the whole loop at load for an hour; does anything of it grow?"""
