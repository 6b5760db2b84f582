"""ganaug: should you train on GAN images, how many, and are they safe? An answer with an interval behind it."""

__version__ = "0.1.0"
