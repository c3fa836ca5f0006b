"""From the frozen graph to a plan: literal bytes and byte ranges of files, with size and checksum."""
