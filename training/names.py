"""When two labels are one: annotators, models and projects write the same name differently."""


def folded(label: str) -> str:
    """The name without case, spaces, underscores and hyphens, as the chain's labels are held against a project's."""
    return label.strip().casefold().translate(str.maketrans("", "", " _-")) or label
