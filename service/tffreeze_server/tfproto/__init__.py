"""TensorFlow's messages under our own package: generated from `proto/tffreeze_server/tfproto`."""
