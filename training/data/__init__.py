"""From a snapshot to prepared folders of photos and their truth."""
