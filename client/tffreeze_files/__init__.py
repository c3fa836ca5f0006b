"""Files, as both the client and the engine read and write them. Imports neither of them: both import it."""
