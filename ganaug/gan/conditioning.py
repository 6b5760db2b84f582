"""How labels enter a GAN. ``gan.conditioning`` in params.yaml; the networks for it are in nets/class_inputs.py."""

from typing import Literal

# Not at all; joined to both inputs (CGAN); by class-conditional norms and a projection discriminator; joined to the
# latent, with a discriminator that also says the class (ACGAN).
Conditioning = Literal["none", "concat", "projection", "auxiliary"]
