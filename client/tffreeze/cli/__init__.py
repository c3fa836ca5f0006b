"""The command line. Start-up time counts, so a module is imported only when a command needs it."""
