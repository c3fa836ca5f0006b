"""From the frozen graph to a plan: literal bytes and byte ranges of files, size and checksum known."""
