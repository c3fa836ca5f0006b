"""The server's process: configuration, ports, TLS, authentication, logs, metrics, shutdown."""
