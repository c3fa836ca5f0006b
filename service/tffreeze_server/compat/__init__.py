"""Drop-ins for tools that came before."""
