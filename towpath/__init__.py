"""Best practice across a fleet: what is known about repositories made from a Copier template, and done for them."""
