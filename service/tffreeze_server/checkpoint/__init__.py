"""TensorFlow checkpoints as data: which bytes of which file belong to which tensor."""
