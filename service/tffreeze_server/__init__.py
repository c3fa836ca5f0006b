"""The engine and the server of tffreeze. Nothing in here imports TensorFlow, but for `runtime`."""
