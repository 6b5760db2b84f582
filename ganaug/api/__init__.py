"""What ``import ganaug`` offers beyond the generator: training and measuring on arrays, data sets for torch, and a
sampler in imbalanced-learn's convention."""
