"""Reading TensorFlow checkpoints: which bytes of which file belong to which tensor."""
