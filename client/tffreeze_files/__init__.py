"""Reading and writing files, for the client and the engine. Both import it; it imports neither."""
