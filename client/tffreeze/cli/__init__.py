"""The command line. Start-up is part of a freeze: modules are imported when a command needs them."""
