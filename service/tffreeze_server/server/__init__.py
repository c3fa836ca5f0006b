"""The server as a process: configuration, ports, TLS, who may call, supervision, logs and metrics."""
