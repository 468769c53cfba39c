"""The parts against NumPy, and against what Keras, torch and optax compute."""
